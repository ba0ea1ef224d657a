"""Where the server's time goes: a flame graph, and shares counted from samples.

`python -m bench.profile --help` is the way in; bench/README.md tells how to read it.
This package imports the standard library alone.
"""
