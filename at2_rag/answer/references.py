"""The numbered list behind an answer: what each number stands for, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from at2_rag.answer.in_context import quote_of
from at2_rag.answer.marking import Mark, written_mark
from at2_rag.answer.remarks import also_in_words
from at2_rag.answer.statement import Citation
from at2_rag.documents.passages import Passage
from at2_rag.documents.sources import SourceUnit


@dataclass(frozen=True)
class References:
    """What numbers stand for.

    Attributes:
        passages: The caller's passages, and behind them what else holds sources.
        unit: What the passages were cut into.
        marks: Where the numbers stand in the answer's text, in order.
    """

    passages: tuple[Passage, ...]
    unit: SourceUnit
    marks: tuple[Mark, ...]

    @property
    def carets(self) -> int:
        """How many carets references have before their numbers: as many as the last mark."""
        return self.marks[-1].carets if self.marks else 0

    def mark_of(self, number: int) -> str:
        """Return how the text writes a number; each way of it, where it does so in several.

        Args:
            number: The number of a citation.
        """
        ways = dict.fromkeys(mark.carets for mark in self.marks if mark.number == number)
        return "".join(written_mark(number, carets) for carets in ways or (self.carets,))

    def place_of(self, citation: Citation) -> str | None:
        """Return the address of what is cited, or file and line; ``None`` if neither is known."""
        return citation.url or self._passage(citation).place_of(citation.source_start)

    def quote_of(self, citation: Citation) -> tuple[str, str, str]:
        """Return what is cited, in one line, between what is before and behind it.

        Args:
            citation: What is cited.
        """
        return quote_of(citation, self._passage(citation), self.unit)

    def elsewhere(self, citation: Citation) -> list[str]:
        """Return in words where else a source stands, such as "also in passage 4"; or nothing.

        Args:
            citation: What is cited.
        """
        named = [
            (index, self.passages[index].heading or self.passages[index].id)
            for index in (citation.passage_index, *(c.passage_index for c in citation.also_in))
        ]
        return also_in_words(named[0], named[1:])

    def line(self, citation: Citation, facts: Sequence[str] = (), width: int = 0) -> str:
        """Return a citation's line, with the page behind the title.

        Args:
            citation: What is cited.
            facts: What else there is to tell of it, before where it stands.
            width: How many characters the mark takes at least.
        """
        heading = self._passage(citation).heading
        title = f"{heading}: " if heading else ""
        if citation.kind != "passage":
            title = f"{citation.kind}: {title}"
        place = self.place_of(citation)
        told = ", ".join([*facts, *self.elsewhere(citation), *([place] if place else [])])
        where = f" ({told})" if told else ""
        mark, quote = self.mark_of(citation.number).ljust(width), "".join(self.quote_of(citation))
        return f"{mark} {title}{quote}{where}"

    def _passage(self, citation: Citation) -> Passage:
        return self.passages[citation.passage_index]
