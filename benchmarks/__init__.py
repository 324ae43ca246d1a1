"""Benchmarks: what attribution costs, beside a forward pass and beside other ways to have it."""
