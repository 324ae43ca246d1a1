"""Cutting a text into passages, each of them a verbatim piece of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from at2_rag.documents.files.source import BYTE_ORDER_MARK, SourceFile
from at2_rag.documents.passages import Passage
from at2_rag.documents.sentences import sentence_spans

#: Longest passage in characters: a paragraph or a few, about 250 tokens of English.
MAX_LENGTH = 1000

Span = tuple[int, int]

_HEADING = re.compile(r"#{1,6}[ \t]+(?P<title>.*?)[ \t]*#*[ \t]*$", re.MULTILINE)


def passages_of_text(source: SourceFile) -> list[Passage]:
    """Cut a text file at its blank lines, merging short paragraphs and splitting long ones."""
    text = source.text()
    markdown = source.suffix == ".md"
    title = (_first_heading(text) if markdown else None) or source.path.stem
    spans = _merge(text, _paragraphs(text), headings=markdown)
    return [
        Passage(
            text[start:end],
            title=title,
            id=f"{source.label}#{number}",
            metadata={"path": str(source.path), "start": start, "end": end},
        )
        for number, (start, end) in enumerate(spans, start=1)
    ]


def _first_heading(text: str) -> str | None:
    for start, end in _paragraphs(text):
        if (heading := _HEADING.match(text, start, end)) and heading["title"]:
            return heading["title"]
    return None


def _paragraphs(text: str) -> Iterator[Span]:
    """Yield the runs of lines that are not blank, without the white space around them."""
    start, end = None, 0
    position = len(BYTE_ORDER_MARK) if text.startswith(BYTE_ORDER_MARK) else 0
    for line in text[position:].splitlines(keepends=True):
        if line.strip():
            start, end = position if start is None else start, position + len(line)
        elif start is not None:
            yield _stripped(text, start, end)
            start = None
        position += len(line)
    if start is not None:
        yield _stripped(text, start, end)


def _merge(text: str, paragraphs: Iterator[Span], *, headings: bool) -> list[Span]:
    """Join neighbours while they fit into one passage.

    With ``headings``, a heading starts a new passage, and is not left alone in one.
    """
    merged: list[Span] = []
    waiting = False  # for the text under a heading that is all there is in the last passage
    for start, end in paragraphs:
        heading = headings and _HEADING.match(text, start, end) is not None
        bare = heading and "\n" not in text[start:end]
        if merged and (waiting or not heading) and end - merged[-1][0] <= MAX_LENGTH:
            merged[-1] = (merged[-1][0], end)
            waiting = waiting and bare
        else:
            first = merged.pop()[0] if waiting else start
            merged += _split(text, first, end)
            waiting = bare
    return merged


def _split(text: str, start: int, end: int) -> Iterator[Span]:
    """Cut one paragraph before sentences, so that every piece fits."""
    if end - start <= MAX_LENGTH:
        yield start, end
        return
    # A piece that Punkt does not count as a sentence (such as "1.") stays with the one before,
    # because only starts of sentences are cut at.
    starts = [start + first for first, _ in sentence_spans(text[start:end])]
    while end - start > MAX_LENGTH:
        cut = max((s for s in starts if start < s <= start + MAX_LENGTH), default=0)
        cut = cut or _forced_cut(text, start)
        yield _stripped(text, start, cut)
        start = _stripped(text, cut, end)[0]
    yield start, end


def _forced_cut(text: str, start: int) -> int:
    """Return where to cut a sentence that is longer than a passage: at a space if it has one."""
    spaces = (i for i in range(start + MAX_LENGTH, start, -1) if text[i - 1].isspace())
    return next(spaces, start + MAX_LENGTH)


def _stripped(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    return start, start + len(piece.strip())
