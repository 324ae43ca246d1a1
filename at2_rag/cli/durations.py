"""Durations in words, as exact as people want them."""

from __future__ import annotations


def in_words(seconds: float) -> str:
    """Return such as "40 s", "12 min" or "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"
