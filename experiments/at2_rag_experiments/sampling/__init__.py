"""Answers that were drawn instead of the most likely ones."""
