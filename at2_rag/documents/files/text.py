"""Plain text and Markdown, of which every passage is a verbatim piece."""

from __future__ import annotations

import re

from at2_rag.documents.files.document import Document, Heading
from at2_rag.documents.files.front_matter import FrontMatter
from at2_rag.documents.files.source import BYTE_ORDER_MARK, SourceFile
from at2_rag.documents.lines import lines_of

_HEADING = re.compile(r"(?P<level>#{1,6})(?:[ \t]+(?P<title>.*?))?[ \t]*#*[ \t]*$")


def read_text(source: SourceFile) -> Document:
    """Read a text file as it is."""
    decoded = source.decoded()
    return Document(decoded.text, lined=True, remarks=decoded.remarks)


def read_markdown(source: SourceFile) -> Document:
    """Read Markdown as it is, with its headings, and what it says of itself before its text."""
    decoded = source.decoded()
    front = FrontMatter.of(decoded.text)
    if not decoded.text[front.end :].strip():
        raise source.error("the file has nothing but front matter; expected text behind it.")
    return Document(
        decoded.text,
        headings=_headings(decoded.text, front.end),
        title=front.title,
        url=front.text("url"),
        metadata={k: v for k, v in front.fields.items() if k not in ("title", "url")},
        begin=front.end,
        lined=True,
        remarks=decoded.remarks,
    )


def _headings(text: str, begin: int) -> list[Heading]:
    """Return the headings of a Markdown text behind ``begin``; none of them lies in code."""
    found = []
    for line in lines_of(text[begin:].removeprefix(BYTE_ORDER_MARK)):
        if line.kind != "code" and (match := _HEADING.match(line.content)):
            start = begin + line.start + text.startswith(BYTE_ORDER_MARK, begin)
            found.append(Heading(start, len(match["level"]), match["title"] or ""))
    return found
