"""Load by users who browse, write, listen and leave: locust, on examples/app.py.

`python -m bench.load --help` is the way in; bench/README.md tells what it asks for.
This package imports the standard library alone, but for locustfile.py, which locust
runs in an environment of its own.
"""
