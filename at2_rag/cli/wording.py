"""Errors in the words of the command line."""

from __future__ import annotations

import re

#: Settings as errors of the library name them, in Python.
_SETTING = re.compile(
    r"\b(?P<name>max_new_tokens|max_citations|on_overflow|prune_to|source_unit)\b"
    r'(?:="(?P<value>\w+)")?'
)
_OUT_OF_MEMORY = re.compile(r"out of memory|(?:can't|cannot|unable to) allocate", re.IGNORECASE)


def in_options(message: str) -> str:
    """Return an error of the library with options where it names settings."""
    return _SETTING.sub(_as_option, message)


def _as_option(match: re.Match[str]) -> str:
    name = f"--{match['name'].replace('_', '-')}"
    return f"{name} {match['value']}" if match["value"] else name


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether memory was too short, of a processor or of a GPU."""
    told = isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error)) is not None
    return told or isinstance(error, MemoryError)
