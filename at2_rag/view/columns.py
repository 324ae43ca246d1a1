"""Shades of several methods beside one another, over the same passages (figures 3 and 7 to 18)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from at2_rag.spans import Span
from at2_rag.view.drawing import Drawing, visible
from at2_rag.view.layers import Layer

#: Shares of the highest score below which the paper shows nothing either (appendix B.2).
LEAST_SHOWN = 0.2


@dataclass(frozen=True)
class Column:
    """What one method makes of all sources.

    Attributes:
        name: What the method is called.
        shares: (sources): each score as a share of the method's highest, 0 where not positive.
        facts: What is told of the method beside its name; empty for nothing.
    """

    name: str
    shares: Sequence[float]
    facts: str = ""

    @classmethod
    def of(cls, name: str, scores: Sequence[float], facts: str = "") -> Column:
        """Return the column of a method's scores.

        Args:
            name: What the method is called.
            scores: (sources), in the method's own unit.
            facts: What is told of the method beside its name.
        """
        highest = max(scores, default=0.0)
        return cls(name, [score / highest if score > 0 else 0.0 for score in scores], facts)


@dataclass(frozen=True)
class Sources:
    """The passages that methods score, and their pieces.

    Attributes:
        passages: Title and text of each passage.
        spans: The index of the passage that each source is a piece of, and its characters in it.
    """

    passages: Sequence[tuple[str | None, str]]
    spans: Sequence[tuple[int, Span]]

    def worth_showing(self, columns: Sequence[Column]) -> list[int]:
        """Return the indices of the passages that some method makes something of."""
        return sorted(
            {
                passage
                for source, (passage, _) in enumerate(self.spans)
                if any(column.shares[source] >= LEAST_SHOWN for column in columns)
            }
        )

    def drawn(self, index: int, shares: Sequence[float]) -> str:
        """Return a passage as HTML, each source as dark as its share.

        Args:
            index: Index of the passage.
            shares: (sources): from 0 to 1.
        """
        own = {n: span for n, (passage, span) in enumerate(self.spans) if passage == index}
        layers: Mapping[str, Layer] = {"s": Layer.of(own.items())}
        shades = {number: shares[number] for number in own}
        return Drawing(layers, shades=shades, markdown=False).draw(self.passages[index][1])


def columns_html(
    sources: Sources,
    columns: Sequence[Column],
    shown: Sequence[int],
    hidden: Collection[int] = (),
) -> str:
    """Return methods beside one another, as HTML.

    Args:
        sources: What the methods score.
        columns: What each method makes of them.
        shown: Indices of the passages to show, in order.
        hidden: Indices of those among them that a script may show later.
    """
    drawn = (_column(sources, column, shown, hidden) for column in columns)
    return f'<div class="methods">{"".join(drawn)}</div>'


def _column(sources: Sources, column: Column, shown: Sequence[int], hidden: Collection[int]) -> str:
    facts = f'<p class="quiet">{escape(visible(column.facts))}</p>' if column.facts else ""
    passages = (_passage(sources, i, column.shares, hidden=i in hidden) for i in shown)
    name = escape(visible(column.name))
    return f'<article class="method"><h3>{name}</h3>{facts}{"".join(passages)}</article>'


def _passage(sources: Sources, index: int, shares: Sequence[float], *, hidden: bool) -> str:
    title = sources.passages[index][0]
    heading = f'<h4 dir="auto">{escape(visible(title))}</h4>' if title else ""
    text = f'<div class="text" dir="auto">{sources.drawn(index, shares)}</div>'
    return f'<div class="shown" data-p="{index}"{" hidden" if hidden else ""}>{heading}{text}</div>'
