"""Thoughts as sources of the response (sections 2.3, 4.2)."""
