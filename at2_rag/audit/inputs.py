"""Rows of log files, one after the other: JSON lines, JSON arrays and Parquet.

Nothing of a file is held but the row in hand; of a JSON array, all of it.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from at2_rag.audit.places import LogPlace
from at2_rag.errors import FileFormatError, InputError, missing_extra

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

#: Bytes of a file that tell it from others, beside its size.
_TELLING = 2**20

#: Rows of a Parquet file that are unpacked at a time.
_UNPACKED = 64


@dataclass(frozen=True)
class LogLine:
    """A row of a file, not looked at yet.

    Attributes:
        place: File and line, as errors name them.
        data: The row, or the line of JSON that holds it.
    """

    place: str
    data: bytes | Any

    def row(self) -> dict[str, Any]:
        """Return the row.

        Raises:
            InputError: If it is no JSON object.
        """
        found = _parsed(self.data) if isinstance(self.data, bytes) else self.data
        if not isinstance(found, dict):
            raise InputError(
                f"a JSON {type(found).__name__}; expected an object with 'question', 'passages' "
                "and 'answer'."
            )
        return found


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8").strip())
    except UnicodeDecodeError as error:
        raise InputError(f"byte {line[error.start]:#04x} is not UTF-8; convert it.") from None
    except json.JSONDecodeError as error:  # of one line, so that its line number says nothing
        raise InputError(f"malformed JSON: {error.msg} at character {error.pos + 1}.") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"malformed JSON: {error}.") from None


@dataclass(frozen=True)
class Mark:
    """Where a row of a file begins.

    Attributes:
        offset: Bytes before the row, in JSON lines; else how many rows are before it.
        number: The row's line in JSON lines, else its number in the file, from 1.
    """

    offset: int = 0
    number: int = 1


@dataclass(frozen=True)
class LogFile(ABC):
    """A file with rows.

    Attributes:
        place: Where the file is.
    """

    place: LogPlace

    #: Whether it can be read from any row on at once, without the rows before it.
    seeks: ClassVar[bool] = False

    @abstractmethod
    def lines(self, begin: Mark = Mark()) -> Iterator[LogLine]:
        """Yield the rows in order, blank lines left out.

        Args:
            begin: Where the first of them begins.
        """

    @abstractmethod
    def marks(self) -> Iterator[Mark]:
        """Yield where each row begins, in order."""

    def count(self) -> int:
        """Return how many rows there are."""
        return sum(1 for _ in self.marks())

    def schema(self) -> Any:
        """Return the Arrow schema of the rows; ``None`` for files that have none."""
        return None

    @property
    def fingerprint(self) -> str:
        """What tells the file from another, or from itself after a change: size, and a hash."""
        with self.place.open() as file:
            begin = sha256(file.read(_TELLING)).hexdigest()[:16]
        return f"{self.place.name}, {self.place.size} bytes, {begin}"

    def shared(self) -> LogFile:
        """Return the file as other processes find it too.

        Raises:
            InputError: If they cannot.
        """
        return replace(self, place=self.place.shared())


class JsonLines(LogFile):
    """One JSON object a line."""

    seeks = True

    def lines(self, begin: Mark = Mark()) -> Iterator[LogLine]:
        """Yield the rows, by their lines."""
        for mark, text in self._texts(begin):
            yield LogLine(f"{self.place.given}:{mark.number}", text)

    def marks(self) -> Iterator[Mark]:
        """Yield where each row begins."""
        return (mark for mark, _ in self._texts(Mark()))

    def _texts(self, begin: Mark) -> Iterator[tuple[Mark, bytes]]:
        offset = begin.offset
        with self.place.open() as file:
            file.seek(offset)
            for number, line in enumerate(file, start=begin.number):
                text = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
                if text.strip():
                    yield Mark(offset, number), text
                offset += len(line)


class _Numbered(LogFile):
    """Rows that have numbers, and no lines."""

    def marks(self) -> Iterator[Mark]:
        """Yield where each row begins."""
        return (Mark(index, index + 1) for index in range(self.count()))

    @abstractmethod
    def count(self) -> int:
        """Return how many rows there are."""


class JsonArray(_Numbered):
    """One JSON array of objects."""

    def lines(self, begin: Mark = Mark()) -> Iterator[LogLine]:
        """Yield the rows, numbered from 1.

        Raises:
            FileFormatError: If it is no JSON array.
        """
        for number, row in enumerate(self._rows()[begin.offset :], start=begin.number):
            yield LogLine(f"{self.place.given}#{number}", row)

    def count(self) -> int:
        """Return how many rows there are."""
        return len(self._rows())

    def _rows(self) -> list[Any]:
        try:
            with self.place.open() as file:
                rows: list[Any] = json.loads(file.read().decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise FileFormatError(f"{self.place.given}: malformed JSON: {error}.") from error
        return rows


class ParquetFile(_Numbered):
    """A Parquet file."""

    def lines(self, begin: Mark = Mark()) -> Iterator[LogLine]:
        """Yield the rows, numbered from 1."""
        with self.place.open() as file:
            opened = self._opened(file)
            groups, passed = _groups_from(opened.metadata, begin.offset)
            batches = opened.iter_batches(batch_size=_UNPACKED, row_groups=groups)
            rows = (row for batch in batches for row in batch.to_pylist())
            wanted = islice(rows, begin.offset - passed, None)
            for number, row in enumerate(wanted, start=begin.number):
                yield LogLine(f"{self.place.given}#{number}", row)

    def count(self) -> int:
        """Return how many rows there are, as the file's footer says."""
        with self.place.open() as file:
            return int(self._opened(file).metadata.num_rows)

    def schema(self) -> Any:
        """Return the Arrow schema of the rows."""
        with self.place.open() as file:
            return self._opened(file).schema_arrow

    def _opened(self, file: Any) -> Any:
        try:
            return parquet().ParquetFile(file)
        except (ValueError, OSError) as error:
            raise FileFormatError(f"{self.place.given}: is no Parquet file: {error}") from error


def _groups_from(metadata: Any, row: int) -> tuple[list[int], int]:
    """Return the row groups from that of a row on, and how many rows are before the first."""
    passed = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if row < passed + rows:
            return list(range(group, metadata.num_row_groups)), passed
        passed += rows
    return [], passed


def parquet() -> Any:
    """Return what reads and writes Parquet files.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        return import_module("pyarrow.parquet")
    except ImportError as error:
        raise missing_extra("Reading or writing Parquet files", "pyarrow", "parquet") from error


def open_logs(paths: Sequence[str | Path]) -> list[LogFile]:
    """Return files to read rows from, looked at but not read.

    Args:
        paths: Paths, or URLs that fsspec knows, such as ``s3://bucket/log.jsonl``.

    Raises:
        FileFormatError: If a file cannot be read, or is of another kind.
        InputError: If there are none, or a URL is of a protocol that is not known.
    """
    if not paths:
        raise InputError("No files; expected at least one, with a row in each line.")
    return [_open(LogPlace.of(path)) for path in paths]


def _open(place: LogPlace) -> LogFile:
    with place.open() as file:
        begin = file.read(_TELLING).removeprefix(_BYTE_ORDER_MARK).lstrip()[:1]
    kind = place.suffix
    if kind == ".parquet":
        return ParquetFile(place)
    if kind in (".jsonl", ".ndjson", ".json"):
        return JsonArray(place) if begin == b"[" and kind == ".json" else JsonLines(place)
    raise FileFormatError(
        f"{place.given}: is of another kind; expected .jsonl, .ndjson, .json or .parquet, with a "
        "row in each line."
    )
