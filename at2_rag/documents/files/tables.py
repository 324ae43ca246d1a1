"""Tables of values between commas, tabs or other marks: each row with the names of its columns.

The text that is made of one has as many lines as the file, and each row on its own, so that a
citation names the line to look at.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from itertools import islice
from typing import Any, Literal, NamedTuple

from at2_rag.documents.files.document import Document, Place
from at2_rag.documents.files.records import Record
from at2_rag.documents.files.rows import flat, header_of, row_in_words
from at2_rag.documents.files.source import BYTE_ORDER_MARK, SourceFile
from at2_rag.documents.passages import Passage
from at2_rag.spans import Span

#: What may stand between values; of two that are as regular, the first.
_DELIMITERS = {".csv": ",;\t|", ".tsv": "\t,;|"}

#: The column that is the passage, where there is one, and those that are its own beside it.
_TEXT = "text"
_OWN = (_TEXT, "id", "title", "url")

#: So many rows tell what stands between values.
_SEEN = 100

#: A row of more lines is one in which a quote was not closed.
_HIGHEST = 100


class _Row(NamedTuple):
    """One row of a table.

    Attributes:
        number: What a spreadsheet calls the row, from 1.
        line: The line that the row begins in, from 1.
        height: How many lines the row has.
        written: The row's cells as they are written.
    """

    number: int
    line: int
    height: int
    written: list[str]

    @property
    def cells(self) -> list[str]:
        """The row's cells, without line ends."""
        return [flat(cell) for cell in self.written]


class TableOfPassages(NamedTuple):
    """A table that has a passage in each row.

    Attributes:
        header: The names of the columns; one of them is ``text``.
        rows: The rows below it.
        remarks: What a person should know of how the file was read.
    """

    header: Sequence[str]
    rows: Sequence[_Row]
    remarks: tuple[str, ...]

    def passages(self, source: SourceFile) -> list[Passage]:
        """Return a passage for each row that has a text; other columns are its metadata.

        Args:
            source: The file that the table was read from.

        Raises:
            FileFormatError: If no row has a text.
        """
        records = [
            Record(source, value, row.number, row.line)
            for row in self.rows
            if _TEXT in (value := self._value(row))
        ]
        if not records:
            raise source.error("no row has anything in its column 'text'; expected passages there.")
        return [record.passage() for record in records]

    def _value(self, row: _Row) -> dict[str, Any]:
        """Return what a row says, as a JSON file would have it."""
        own: dict[str, Any] = {}
        other: dict[str, Any] = {"row": row.number}
        for name, cell in zip(self.header, row.written, strict=False):
            if name.casefold() in _OWN and flat(cell):
                own[name.casefold()] = cell.strip() if name.casefold() == _TEXT else flat(cell)
            elif name and flat(cell):
                other[name] = flat(cell)
        return {**own, "metadata": other}


def read_table(source: SourceFile) -> Document | TableOfPassages:
    """Read a table, whatever stands between its values.

    What is above the names of the columns is kept as it is. Where a column is called ``text``, its
    cells are passages, and those of ``title``, ``url`` and ``id`` what these names say.

    Raises:
        FileFormatError: If it has no row that says something.
    """
    decoded = source.decoded()
    text = decoded.text.removeprefix(BYTE_ORDER_MARK).replace("\0", "")
    try:
        rows = _rows(text, _delimiter(text, _DELIMITERS[source.suffix]))
    except csv.Error as error:
        raise source.error(f"is no table that can be read: {error}.") from error
    if not rows:
        raise source.error("has no rows; expected values in it.")
    width = Counter(len(row.cells) for row in rows).most_common(1)[0][0]
    above = next(i for i, row in enumerate(rows) if len(row.cells) == width)
    header = header_of([row.cells for row in rows[above:]])
    if _TEXT in map(str.casefold, header):
        return TableOfPassages(header, rows[above + 1 :], decoded.remarks)
    kept = [*rows[:above], *rows[above + bool(header) :]]
    text, blocks = _in_lines(kept, [()] * above + [header] * (len(kept) - above))
    return Document(
        text,
        lined=True,
        blocks=blocks,
        places=[
            Place(start, {"row": row.number}) for (start, _), row in zip(blocks, kept, strict=True)
        ],
        remarks=decoded.remarks,
    )


def _in_lines(rows: Sequence[_Row], headers: Sequence[Sequence[str]]) -> tuple[str, list[Span]]:
    """Return a text with each row in its line, and the characters of each."""
    parts: list[str] = []
    blocks: list[Span] = []
    length, line = 0, 1
    for row, header in zip(rows, headers, strict=True):
        said, between = row_in_words(row.cells, header), row.line - line
        parts += ["\n" * between, said]
        blocks.append((length + between, length + between + len(said)))
        length, line = blocks[-1][1], row.line
    return "".join(parts), blocks


def _delimiter(text: str, candidates: str) -> str:
    """Return what parts the first rows into the same number of columns most often."""
    sample = "\n".join(islice((line for line in text.splitlines() if line.strip()), _SEEN))

    def regular(delimiter: str) -> int:
        widths = Counter(len(row.cells) for row in _rows(sample, delimiter))
        return max((count for width, count in widths.items() if width > 1), default=0)

    return max(candidates, key=regular)


def _rows(text: str, delimiter: str) -> list[_Row]:
    """Return the rows that say something; a quote that nothing closes is one like any mark.

    Raises:
        csv.Error: If a cell is longer than any that is meant to be read.
    """
    lines = list(StringIO(text.replace("\r\n", "\n").replace("\r", "\n"), newline="\n"))
    rows = list(_parsed(lines, delimiter, csv.QUOTE_MINIMAL))
    if any(_is_open(lines[row.line - 1 : row.line - 1 + row.height]) for row in rows):
        rows = list(_parsed(lines, delimiter, csv.QUOTE_NONE))
    return rows


def _is_open(lines: Sequence[str]) -> bool:
    """Whether the lines of one row are so many because a quote in them was never closed."""
    return len(lines) > 1 and (len(lines) > _HIGHEST or "".join(lines).count('"') % 2 == 1)


def _parsed(lines: Iterable[str], delimiter: str, quoting: Literal[0, 3]) -> Iterator[_Row]:
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, skipinitialspace=True)
    begun = 1
    for number, cells in enumerate(reader, start=1):
        if any(map(flat, cells)):
            yield _Row(number, begun, reader.line_num + 1 - begun, cells)
        begun = reader.line_num + 1
