"""The servers that `benchmarks.serving` compares, each in a process of its own, and the client that asks them."""
