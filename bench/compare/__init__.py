"""fastserve beside other servers and the ceiling, measured in one run.

`python -m bench.compare --help` is the way in; bench/README.md tells how to read
the tables. This package imports the standard library alone: the servers, and
fastserve too, live in a virtual environment that the command makes.
"""
