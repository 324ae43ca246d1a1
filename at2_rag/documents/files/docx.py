"""Documents of word processors: paragraphs under their headings, items, and rows of tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

from at2_rag.documents.files.document import Document
from at2_rag.documents.files.draft import Draft
from at2_rag.documents.files.rows import flat, header_of, row_in_words
from at2_rag.documents.files.source import SourceFile

_HEADING = re.compile(r"heading (?P<level>\d)", re.IGNORECASE)

#: Titles that programs put into every new document.
_NO_TITLE = re.compile(r"\W*|(?:word|microsoft word|untitled|document).*", re.IGNORECASE)

#: What stands in a paragraph for a character.
_CHARACTERS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}

#: What an element within a paragraph may be that is not part of its text: boxes are read behind the
#: paragraph, and the other ones repeat a drawing for older programs, or are deleted.
_APART = frozenset(("txbxContent", "Fallback", "del", "moveFrom", "instrText", "delText", "rt"))

_HEADING_LEVELS = 9


def read_docx(source: SourceFile) -> Document:
    """Read a document of Word, or of another program that writes such files.

    What was deleted with changes tracked is left out; notes come at the end.

    Raises:
        FileFormatError: If it is broken, needs a password, or has no text.
    """
    library = source.library("docx", "python-docx")
    data = source.bytes()
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise source.error("is encrypted, or an old .doc; save it as .docx without a password.")
    try:
        opened = library.Document(BytesIO(data))
        draft = Draft()
        _Body(draft, _levels(opened)).read(opened.element.body)
        _add_notes(draft, opened)
        title = flat(opened.core_properties.title or "")
    # Whatever is wrong with an archive, its XML, or what they should hold, comes as any of these.
    except Exception as error:
        what = str(error).split("\n")[0] or type(error).__name__
        raise source.error(f"is no .docx that can be read: {what}") from error
    if draft.is_blank:
        raise source.error("has no text; expected some beside its pictures.")
    return draft.document(title=None if _NO_TITLE.fullmatch(title) else title)


def _levels(opened: Any) -> Callable[[Any], int]:
    """Return what tells the level of a paragraph's heading, or 0 if it is none."""
    levels = {style.style_id: _level_of(style) for style in opened.styles if style.type == 1}

    def level(paragraph: Any) -> int:
        own = _value(paragraph, "./w:pPr/w:outlineLvl/@w:val")
        if own is not None:
            return int(own) + 2 if int(own) < _HEADING_LEVELS else 0
        return levels.get(_value(paragraph, "./w:pPr/w:pStyle/@w:val"), 0)

    return level


def _level_of(style: Any) -> int:
    """Return the level of headings in a style, or in one that it is made from; a title's is 1."""
    while style is not None:
        if match := _HEADING.fullmatch(style.name or ""):
            return int(match["level"]) + 1
        if style.name == "Title":
            return 1
        outline = _value(style.element, "./w:pPr/w:outlineLvl/@w:val")
        if outline is not None and int(outline) < _HEADING_LEVELS:
            return int(outline) + 2
        style = style.base_style
    return 0


def _value(element: Any, path: str) -> str | None:
    found = element.xpath(path)
    return str(found[0]) if found else None


class _Body:
    """Goes through the paragraphs and tables of a document.

    Attributes:
        draft: What was read so far.
        level: Tells the level of a paragraph's heading, or 0.
    """

    def __init__(self, draft: Draft, level: Callable[[Any], int]) -> None:
        self.draft = draft
        self.level = level

    def read(self, parent: Any) -> None:
        """Read what is within an element, in order."""
        for element in parent:
            name = _name(element)
            if name == "p":
                self._read_paragraph(element)
            elif name == "tbl":
                self._read_table(element)
            elif name in ("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag"):
                self.read(element)

    def _read_paragraph(self, paragraph: Any) -> None:
        text, level = _text(paragraph).strip(), self.level(paragraph)
        if level:
            self.draft.heading(level, text)
        elif text and _is_item(paragraph):
            self.draft.line(f"- {text}")
        else:
            self.draft.paragraph(text)
        for box in _boxes(paragraph):
            self.read(box)

    def _read_table(self, table: Any) -> None:
        rows = _grid(table)
        if all(len(row) == 1 for row in rows):  # a frame around text
            for cell in table.xpath("./w:tr/w:tc"):
                self.read(cell)
            return
        header = header_of(rows)
        for row in rows[bool(header) :]:
            self.draft.line(row_in_words(row, header))


def _name(element: Any) -> str:
    """Return the name of an element without its namespace; nothing for a comment."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _text(element: Any) -> str:
    """Return what is said within an element, without what is apart from it."""
    parts: list[str] = []
    for child in element:
        name = _name(child)
        if name == "t":
            parts.append(child.text or "")
        elif name in _CHARACTERS:
            parts.append(_CHARACTERS[name])
        elif name not in _APART and not name.endswith("Pr"):
            parts.append(_text(child))
    return "".join(parts)


def _boxes(element: Any) -> Iterator[Any]:
    """Yield the frames of text that hang on a paragraph."""
    for child in element:
        if _name(child) == "txbxContent":
            yield child
        elif _name(child) != "Fallback":
            yield from _boxes(child)


def _is_item(paragraph: Any) -> bool:
    style = _value(paragraph, "./w:pPr/w:pStyle/@w:val") or ""
    return bool(paragraph.xpath("./w:pPr/w:numPr")) or style.startswith("List")


def _grid(table: Any) -> list[list[str]]:
    """Return the cells of each row; one that goes on from the row above says the same."""
    grid: list[list[str]] = []
    for row in table.xpath("./w:tr"):
        above = grid[-1] if grid else []
        cells = []
        for column, cell in enumerate(_cells(row)):
            goes_on = cell.xpath("./w:tcPr/w:vMerge[not(@w:val='restart')]")
            told = above[column] if goes_on and column < len(above) else _cell(cell)
            cells.append(flat(told))
        grid.append(cells)
    return grid


def _cells(row: Any) -> Iterator[Any]:
    """Yield the cells of a row, one that is several columns wide as often."""
    for cell in row.xpath("./w:tc | ./w:sdt/w:sdtContent/w:tc"):
        yield from [cell] * int(_value(cell, "./w:tcPr/w:gridSpan/@w:val") or 1)


def _cell(cell: Any) -> str:
    return " ".join(_text(paragraph) for paragraph in cell.xpath(".//w:p"))


def _add_notes(draft: Draft, opened: Any) -> None:
    """Add the notes at the ends of pages and of the document."""
    for part in opened.part.rels.values():
        if part.reltype.endswith(("/footnotes", "/endnotes")):
            notes = _parsed(part.target_part.blob)
            for note in notes:
                draft.paragraph(" ".join(_text(note).split()))


def _parsed(data: bytes) -> Any:
    from docx.oxml import parse_xml

    return parse_xml(data)
