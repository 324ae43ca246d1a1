"""A file as running text, whatever it was before, and the passages that it is cut into."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from at2_rag.documents.files.source import BYTE_ORDER_MARK, SourceFile
from at2_rag.documents.passages import Passage
from at2_rag.documents.sentences import sentence_spans
from at2_rag.spans import Span, stripped

#: Longest passage in characters: a paragraph or a few, about 250 tokens of English.
MAX_LENGTH = 1000

#: What parts the headings that a passage stands under.
_BELOW = " > "

#: More line ends than these part passages, too: something else stood there.
_WIDE_GAP = 5

_LINE_END = re.compile(r"\r\n|\r|\n")


class Heading(NamedTuple):
    """A heading of a document.

    Attributes:
        start: Where its line begins, in characters of the text.
        level: How deep it is, from 1 on.
        title: What it says; may be empty.
    """

    start: int
    level: int
    title: str


class Place(NamedTuple):
    """A stretch of a document that has a name, such as a page, up to the next one.

    Attributes:
        start: Where it begins, in characters of the text.
        facts: What the metadata of passages that begin there say of it.
    """

    start: int
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Document:
    """What a file says, as one text.

    Attributes:
        text: All of it. No passage has two of the pages that form feeds part.
        headings: What its parts are called, in order.
        title: What the whole is called; ``None`` for the file's name.
        url: Where it is from, if it says that.
        metadata: What else the file says of itself.
        begin: Where in the text to begin, in characters.
        lined: Whether the text's lines are those of the file, so that they can be cited.
        places: What parts of the text are called, in order, such as pages.
        blocks: Characters of what is cut only where it is too long for a passage by itself, in
            order; ``None`` where blank lines part paragraphs.
        remarks: What a person should know of how the file was read.
    """

    text: str
    headings: Sequence[Heading] = ()
    title: str | None = None
    url: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    begin: int = 0
    lined: bool = False
    places: Sequence[Place] = ()
    blocks: Sequence[Span] | None = None
    remarks: tuple[str, ...] = ()

    def passages(self, source: SourceFile) -> list[Passage]:
        """Cut the text into passages, each of them a verbatim piece of it.

        Short blocks are merged and long ones split. The title of a passage is the path of headings
        that it stands under, behind the document's own; where there is neither, the file's name.

        Args:
            source: The file that the document was read from.
        """
        blocks = _paragraphs(self) if self.blocks is None else self.blocks
        return [
            Passage(
                self.text[start:end],
                title=_BELOW.join(self._titles(end)) or source.path.stem,
                id=f"{source.label}#{number}",
                url=self.url,
                metadata={"path": str(source.path), **self._place(start, end), **self.metadata},
            )
            for number, (start, end) in enumerate(_merge(self, blocks), start=1)
        ]

    def _titles(self, end: int) -> list[str]:
        """Return what the text before ``end`` stands under, from the title down to its heading."""
        at = bisect_left(self._paths, end, key=lambda path: path[-1].start) - 1
        titles = [heading.title for heading in self._paths[at]] if at >= 0 else []
        return titles if self.title is None or self.title in titles[:1] else [self.title, *titles]

    @cached_property
    def _paths(self) -> list[list[Heading]]:
        """Each heading that says something, behind those that it stands under."""
        paths: list[list[Heading]] = []
        for heading in self.headings:
            if heading.title:
                above = paths[-1] if paths else []
                paths.append([*(h for h in above if h.level < heading.level), heading])
        return paths

    def _place(self, start: int, end: int) -> dict[str, Any]:
        """Return where a passage stands; pages are counted where form feeds part them."""
        line = {"line": 1 + bisect_right(self._line_ends, start)} if self.lined else {}
        page = {"page": 1 + bisect_right(self._page_ends, start)} if self._page_ends else {}
        at = bisect_right(self.places, start, key=lambda place: place.start) - 1
        named = self.places[at].facts if at >= 0 else {}
        return {**line, "start": start, "end": end, **page, **named}

    @cached_property
    def _line_ends(self) -> list[int]:
        return [match.end() for match in _LINE_END.finditer(self.text)]

    @cached_property
    def _page_ends(self) -> list[int]:
        return [match.end() for match in re.finditer("\f", self.text)]


def _paragraphs(document: Document) -> Iterator[Span]:
    """Yield the runs of lines that are not blank, without the white space around them.

    A heading begins another, whatever stands before it.
    """
    text = document.text
    heads = {heading.start for heading in document.headings}
    start, end = None, 0
    position = document.begin
    position += len(BYTE_ORDER_MARK) * text.startswith(BYTE_ORDER_MARK, position)
    for line in text[position:].splitlines(keepends=True):
        if start is not None and (not line.strip() or position in heads):
            yield stripped(text, (start, end))
            start = None
        if line.strip():
            start, end = position if start is None else start, position + len(line)
        position += len(line)
    if start is not None:
        yield stripped(text, (start, end))


def _merge(document: Document, blocks: Iterable[Span]) -> list[Span]:
    """Join neighbours while they fit into one passage.

    A heading starts a new passage, and is not left alone in one. No passage has two pages, nor what
    stands far apart.
    """
    text = document.text
    heads = {heading.start for heading in document.headings}
    merged: list[Span] = []
    waiting = False  # for the text under a heading that is all there is in the last passage
    for start, end in blocks:
        heading = start in heads
        bare = heading and "\n" not in text[start:end]
        between = text[merged[-1][1] : start] if merged else ""
        turned = "\f" in between or (between.count("\n") > _WIDE_GAP and not waiting)
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
        yield stripped(text, (start, cut))
        start = stripped(text, (cut, end))[0]
    yield start, end


def _forced_cut(text: str, start: int) -> int:
    """Return where to cut a sentence that is longer than a passage: at a space if it has one."""
    spaces = (i for i in range(start + MAX_LENGTH, start, -1) if text[i - 1].isspace())
    return next(spaces, start + MAX_LENGTH)
