"""Cutting a text into passages, each of them a verbatim piece of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from at2_rag.documents.files.front_matter import FrontMatter
from at2_rag.documents.files.source import BYTE_ORDER_MARK, SourceFile
from at2_rag.documents.lines import lines_of
from at2_rag.documents.passages import Passage
from at2_rag.documents.sentences import sentence_spans

#: Longest passage in characters: a paragraph or a few, about 250 tokens of English.
MAX_LENGTH = 1000

Span = tuple[int, int]

#: What parts the headings that a passage stands under.
_BELOW = " > "

_HEADING = re.compile(r"(?P<level>#{1,6})(?:[ \t]+(?P<title>.*?))?[ \t]*#*[ \t]*$")
_LINE_END = re.compile(r"\r\n|\r|\n")


class Heading(NamedTuple):
    """A heading of a Markdown file.

    Attributes:
        start: Where its line begins, in characters of the file.
        level: How deep it is, from 1 on.
        title: What it says; may be empty.
    """

    start: int
    level: int
    title: str


def passages_of_text(source: SourceFile) -> list[Passage]:
    """Cut a text file at its blank lines, merging short paragraphs and splitting long ones.

    The title of a passage of Markdown is the path of headings that it stands under, behind the
    title that the front matter says; of other passages it is the file's name.
    """
    text = source.text()
    markdown = source.suffix == ".md"
    front = FrontMatter.of(text) if markdown else FrontMatter()
    headings = _headings(text, front.end) if markdown else []
    spans = _merge(text, _paragraphs(text, front.end, headings), headings)
    if not spans:
        raise source.error("the file has nothing but front matter; expected text behind it.")
    return [
        Passage(
            text[start:end],
            title=_BELOW.join(_path(front.title, headings, end)) or source.path.stem,
            id=f"{source.label}#{number}",
            url=front.text("url"),
            metadata={"path": str(source.path), **_place(text, start, end), **_extras(front)},
        )
        for number, (start, end) in enumerate(spans, start=1)
    ]


def _place(text: str, start: int, end: int) -> dict[str, int]:
    """Return where a passage stands; pages are counted where form feeds part them."""
    line = 1 + len(_LINE_END.findall(text, 0, start))
    page = {"page": 1 + text.count("\f", 0, start)} if "\f" in text else {}
    return {"line": line, "start": start, "end": end, **page}


def _extras(front: FrontMatter) -> dict[str, Any]:
    return {key: value for key, value in front.fields.items() if key not in ("title", "url")}


def _headings(text: str, begin: int) -> list[Heading]:
    """Return the headings of a Markdown text behind ``begin``; none of them lies in code."""
    found = []
    for line in lines_of(text[begin:].removeprefix(BYTE_ORDER_MARK)):
        if line.kind != "code" and (match := _HEADING.match(line.content)):
            start = begin + line.start + text.startswith(BYTE_ORDER_MARK, begin)
            found.append(Heading(start, len(match["level"]), match["title"] or ""))
    return found


def _path(title: str | None, headings: Sequence[Heading], end: int) -> list[str]:
    """Return what the text before ``end`` stands under, from the title down to its heading."""
    path: list[Heading] = []
    for heading in headings:
        if heading.start < end and heading.title:
            path = [above for above in path if above.level < heading.level] + [heading]
    titles = [heading.title for heading in path]
    return titles if title is None or title in titles[:1] else [title, *titles]


def _paragraphs(text: str, begin: int, headings: Sequence[Heading]) -> Iterator[Span]:
    """Yield the runs of lines that are not blank, without the white space around them.

    A heading begins another, whatever stands before it.
    """
    heads = {heading.start for heading in headings}
    start, end = None, 0
    position = begin + len(BYTE_ORDER_MARK) * text.startswith(BYTE_ORDER_MARK, begin)
    for line in text[position:].splitlines(keepends=True):
        if start is not None and (not line.strip() or position in heads):
            yield _stripped(text, start, end)
            start = None
        if line.strip():
            start, end = position if start is None else start, position + len(line)
        position += len(line)
    if start is not None:
        yield _stripped(text, start, end)


def _merge(text: str, paragraphs: Iterator[Span], headings: Sequence[Heading]) -> list[Span]:
    """Join neighbours while they fit into one passage.

    A heading starts a new passage, and is not left alone in one. No passage has two pages.
    """
    heads = {heading.start for heading in headings}
    merged: list[Span] = []
    waiting = False  # for the text under a heading that is all there is in the last passage
    for start, end in paragraphs:
        heading = start in heads
        bare = heading and "\n" not in text[start:end]
        turned = bool(merged) and "\f" in text[merged[-1][1] : start]
        fits = bool(merged) and end - merged[-1][0] <= MAX_LENGTH and not turned
        if fits and (waiting or not heading):
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
