"""Benchmarks of fastserve; nothing here is installed or imported by it."""
