"""The pieces of ``python -m benchmarks.grading``: a class, the ways to grade it, a submission's cost, the page."""
