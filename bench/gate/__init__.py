"""A gate in instruction counts: this tree beside the commit that it began from.

`python -m bench.gate --help` is the way in; bench/README.md tells how to read it.
This package imports the standard library alone, but for script.py, which runs in a
process of its own.
"""
