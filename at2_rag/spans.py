"""Spans: ranges of characters or of tokens, and what is done with them everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

#: Start, and one past the end.
Span = tuple[int, int]


def touching(spans: Sequence[Span], start: int, end: int) -> list[int]:
    """Return the indices of the spans that share a character with [start, end)."""
    return [i for i, (a, b) in enumerate(spans) if a < end and b > start]


def token_ranges(places: Sequence[Span], token_spans: Sequence[Span]) -> tuple[Span, ...]:
    """Return, for each place in a text, the range of tokens that share a character with it.

    Args:
        places: Characters of each place; at least one token shares a character with it.
        token_spans: Characters of each token of the text.
    """
    found = [touching(token_spans, start, end) for start, end in places]
    return tuple((tokens[0], tokens[-1] + 1) for tokens in found)


def stripped(text: str, span: Span) -> Span:
    """Return a span without the white space at its edges; one of white space alone as it is."""
    inside = text[slice(*span)]
    if not inside.strip():
        return span
    start = span[0] + len(inside) - len(inside.lstrip())
    return start, start + len(inside.strip())


def joined(text: str, spans: Sequence[Span]) -> str:
    """Join spans by what stands between neighbours, and by a space where something is gone.

    No space comes where the text had none on either side of what is gone, as in Chinese, or where
    a span has its own. Where lines or paragraphs are gone, the line ends on one side of them stay.
    """
    result = text[slice(*spans[0])] if spans else ""
    for (_, end), (start, stop) in pairwise(spans):
        result += _between(text, end, start) + text[start:stop]
    return result


def _between(text: str, end: int, start: int) -> str:
    gap = text[end:start]
    if not gap.strip():
        return gap
    before, after = gap[: len(gap) - len(gap.lstrip())], gap[len(gap.rstrip()) :]
    lines = max(before, after, key=lambda space: len(f"{space}-".splitlines()))
    if len(f"{lines}-".splitlines()) > 1:
        return lines
    has_its_own = text[end - 1].isspace() or text[start].isspace()
    return " " if (before or after) and not has_its_own else ""
