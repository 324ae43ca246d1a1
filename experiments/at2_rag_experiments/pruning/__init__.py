"""Pruning the context by what a first answer used (section 5, A.6)."""
