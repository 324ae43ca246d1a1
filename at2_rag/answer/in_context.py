"""Words of a passage in a line of what is around them."""

from __future__ import annotations

from collections.abc import Sequence

from at2_rag.answer.statement import Citation
from at2_rag.documents.passages import Passage
from at2_rag.documents.sources import SourceUnit

#: How many characters are shown before what is cited, and as many behind it.
_AROUND = 36
#: What is cited by less than a sentence says little without the rest of it.
_PIECES: Sequence[SourceUnit] = ("word", "token")


def quote_of(citation: Citation, passage: Passage, unit: SourceUnit) -> tuple[str, str, str]:
    """Return what is cited, in one line, with what is before and behind it where that is needed.

    Args:
        citation: What is cited.
        passage: The passage that it is a piece of.
        unit: What the passages were cut into.
    """
    quote = " ".join(citation.text.split())
    if unit not in _PIECES:
        return "", quote, ""
    start, end = citation.source_start, citation.source_end
    before, behind = passage.text[:start], passage.text[end:]
    return f"{_last_words(before)}“", quote, f"”{_first_words(behind)}"


def _last_words(text: str) -> str:
    cut = text[-_AROUND:]
    if len(cut) < len(text):
        cut = f"… {cut.partition(' ')[2]}"
    return _in_line(cut)


def _first_words(text: str) -> str:
    cut = text[:_AROUND]
    if len(cut) < len(text):
        cut = f"{cut.rpartition(' ')[0]} …"
    return _in_line(cut)


def _in_line(text: str) -> str:
    """Return a text in one line; white space at its ends stays, as one space."""
    words = " ".join(text.split())
    before = " " if text[:1].isspace() and words else ""
    behind = " " if text[-1:].isspace() else ""
    return f"{before}{words}{behind}"
