"""Parts of so many rows that log files are gone through by, wherever in them each begins."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from at2_rag.audit.inputs import LogFile, LogLine, Mark


@dataclass(frozen=True)
class Parts:
    """The rows of log files in order, so many a part.

    Only where each part begins is held: 24 bytes a part, whatever its rows are.

    Attributes:
        files: The log files, in order.
        size: How many rows a part has; the last one may have fewer.
        rows: How many rows there are in all.
        begins: File, offset and number of each part's first row, one behind the other.
    """

    files: tuple[LogFile, ...]
    size: int
    rows: int
    begins: array[int] = field(repr=False)

    @classmethod
    def of(cls, files: Sequence[LogFile], size: int) -> Parts:
        """Go through files once, and note where parts begin.

        Raises:
            FileFormatError: If a file cannot be read.
        """
        rows, begins = 0, array("q")
        for index, file in enumerate(files):
            for mark in file.marks():
                if rows % size == 0:
                    begins.extend((index, mark.offset, mark.number))
                rows += 1
        return cls(tuple(files), size, rows, begins)

    def __len__(self) -> int:
        return len(self.begins) // 3

    def rows_in(self, part: int) -> int:
        """Return how many rows a part has."""
        return min(self.size, self.rows - part * self.size)

    def begin(self, part: int) -> tuple[int, Mark]:
        """Return the index of the file that a part begins in, and where in it."""
        index, offset, number = self.begins[3 * part : 3 * part + 3]
        return index, Mark(offset, number)

    def lines_from(self, part: int) -> Iterator[LogLine]:
        """Yield the rows of a part, and all behind it."""
        index, mark = self.begin(part)
        yield from self.files[index].lines(mark)
        for file in self.files[index + 1 :]:
            yield from file.lines()


class PartReader:
    """Reads parts, and goes on from where the last one ended if that is of use.

    Args:
        parts: Where each part begins.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._next = 0
        self._rest: Iterator[LogLine] | None = None

    def lines(self, part: int) -> list[LogLine]:
        """Return the rows of a part."""
        if self._rest is None or not self._can_go_on(part):
            self._rest, self._next = self._parts.lines_from(part), part
        passed = (part - self._next) * self._parts.size
        self._next = part + 1
        return list(islice(self._rest, passed, passed + self._parts.size))

    def _can_go_on(self, part: int) -> bool:
        """Whether to read on to a part, rather than to open its file there."""
        if part <= self._next:
            return part == self._next
        file, _ = self._parts.begin(part)
        return file == self._parts.begin(self._next)[0] and not self._parts.files[file].seeks
