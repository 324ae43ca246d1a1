"""Heads of attention found by asking a model about generated worlds, without any training."""
