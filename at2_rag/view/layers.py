"""Layers of spans over one text: which of them lie over each of its characters."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from at2_rag.spans import Span


@dataclass(frozen=True)
class Layer:
    """Spans of one kind, such as the sources of a passage.

    Attributes:
        edges: Where spans begin or end, ascending.
        over: Which spans lie over the characters from each edge to the next.
    """

    edges: tuple[int, ...]
    over: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, spans: Iterable[tuple[int, Span]]) -> Layer:
        """Return the layer of some spans.

        Args:
            spans: Each span with the number that it goes by; they may lie over each other.
        """
        changes: dict[int, tuple[list[int], list[int]]] = {}
        for number, (start, end) in spans:
            if start < end:
                changes.setdefault(start, ([], []))[0].append(number)
                changes.setdefault(end, ([], []))[1].append(number)
        edges, over, active = sorted(changes), [], set[int]()
        for edge in edges:
            begun, ended = changes[edge]
            active = (active - set(ended)) | set(begun)
            over.append(tuple(sorted(active)))
        return cls(tuple(edges), tuple(over))

    def at(self, position: int) -> tuple[int, ...]:
        """Return the numbers of the spans over a character."""
        index = bisect_right(self.edges, position) - 1
        return self.over[index] if index >= 0 else ()


def cut(span: Span, edges: Sequence[int]) -> list[Span]:
    """Cut a span at all edges within it.

    Args:
        span: What is cut.
        edges: Where to cut, ascending.
    """
    start, end = span
    within = edges[bisect_right(edges, start) : bisect_left(edges, end)]
    points = [start, *within, end]
    return list(pairwise(points))
