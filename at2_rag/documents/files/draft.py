"""A document being written from what a file holds: headings, paragraphs, items and rows."""

from __future__ import annotations

from typing import Any

from at2_rag.documents.files.document import Document, Heading
from at2_rag.spans import Span


class Draft:
    """Takes the parts of a document in order; those that say nothing are left out.

    Passages are cut between parts, and within one only where it is too long by itself.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._blocks: list[Span] = []
        self._headings: list[Heading] = []
        self._length = 0
        self._close = False

    @property
    def is_blank(self) -> bool:
        """Whether nothing was said yet."""
        return not self._blocks

    def heading(self, level: int, text: str) -> None:
        """Add a heading.

        Args:
            level: How deep it is, from 1 on.
            text: What it says.
        """
        title = " ".join(text.split())
        if title:
            self._add(title, close=False)
            self._headings.append(Heading(self._blocks[-1][0], level, title))

    def paragraph(self, text: str) -> None:
        """Add a paragraph, with a blank line before it."""
        self._add(text.strip(), close=False)

    def line(self, text: str) -> None:
        """Add an item or a row, right behind one before it."""
        self._add(text.strip(), close=True)

    def code(self, text: str) -> None:
        """Add code, of which no line is joined with another."""
        if text.strip():
            body = text.strip("\n")
            fence = "```" if "```" not in body else "~~~~"
            self._add(f"{fence}\n{body}\n{fence}", close=False)

    def document(self, **facts: Any) -> Document:
        """Return what was added, as one text.

        Args:
            **facts: Other fields of the document.
        """
        return Document("".join(self._parts), headings=self._headings, blocks=self._blocks, **facts)

    def _add(self, text: str, *, close: bool) -> None:
        if not text:
            return
        between = "" if self.is_blank else "\n" if close and self._close else "\n\n"
        start = self._length + len(between)
        self._parts += [between, text]
        self._blocks.append((start, start + len(text)))
        self._length, self._close = start + len(text), close
