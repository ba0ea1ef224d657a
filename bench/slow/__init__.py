"""Slowloris: how fast others are served while thousands of heads trickle in.

`python -m bench.slow --help` is the way in; docs/security.md has the figures.
"""
