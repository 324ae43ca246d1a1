"""What the library calls a setting, and what the command line calls it."""

from __future__ import annotations

import re

#: As errors name them, in Python.
_IN_PYTHON = re.compile(
    r'\b(?P<name>max_new_tokens|max_citations|on_overflow|prune_to|source_unit)\b(?:="(?P<value>\w+)")?'
)


def as_options(message: str) -> str:
    """Return an error of the library with options where it names settings."""
    return _IN_PYTHON.sub(_as_option, message)


def _as_option(match: re.Match[str]) -> str:
    name = f"--{match['name'].replace('_', '-')}"
    return f"{name} {match['value']}" if match["value"] else name
