"""Measurements that take minutes: each module writes a page in results/; `python -m benchmarks` runs them all."""
