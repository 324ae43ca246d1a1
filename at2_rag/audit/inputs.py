"""Rows of log files, one after the other: JSON lines, JSON arrays and Parquet.

Nothing of a file is held but the row in hand; of a JSON array, all of it.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

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
        return json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"byte {line[error.start]:#04x} is not UTF-8; convert it.") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"malformed JSON: {error}.") from None


@dataclass(frozen=True)
class LogFile(ABC):
    """A file with rows.

    Attributes:
        path: Where the file is.
    """

    path: Path

    @abstractmethod
    def lines(self) -> Iterator[LogLine]:
        """Yield the rows in order, blank lines left out."""

    def count(self) -> int:
        """Return how many rows there are."""
        return sum(1 for _ in self.lines())

    def schema(self) -> Any:
        """Return the Arrow schema of the rows; ``None`` for files that have none."""
        return None

    @property
    def fingerprint(self) -> str:
        """What tells the file from another, or from itself after a change: size, and a hash."""
        with self.path.open("rb") as file:
            begin = sha256(file.read(_TELLING)).hexdigest()[:16]
        return f"{self.path.name}, {self.path.stat().st_size} bytes, {begin}"


class JsonLines(LogFile):
    """One JSON object a line."""

    def lines(self) -> Iterator[LogLine]:
        """Yield the rows, by their lines."""
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                text = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
                if text.strip():
                    yield LogLine(f"{self.path}:{number}", text)


class JsonArray(LogFile):
    """One JSON array of objects."""

    def lines(self) -> Iterator[LogLine]:
        """Yield the rows, numbered from 1.

        Raises:
            FileFormatError: If it is no JSON array.
        """
        try:
            rows = json.loads(self.path.read_text(encoding="utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise FileFormatError(f"{self.path}: malformed JSON: {error}.") from error
        for number, row in enumerate(rows, start=1):
            yield LogLine(f"{self.path}#{number}", row)


class ParquetFile(LogFile):
    """A Parquet file."""

    def lines(self) -> Iterator[LogLine]:
        """Yield the rows, numbered from 1."""
        number = 0
        for batch in self._open().iter_batches(batch_size=_UNPACKED):
            for row in batch.to_pylist():
                number += 1
                yield LogLine(f"{self.path}#{number}", row)

    def count(self) -> int:
        """Return how many rows there are, as the file's footer says."""
        return int(self._open().metadata.num_rows)

    def schema(self) -> Any:
        """Return the Arrow schema of the rows."""
        return self._open().schema_arrow

    def _open(self) -> Any:
        try:
            return parquet().ParquetFile(self.path)
        except (ValueError, OSError) as error:
            raise FileFormatError(f"{self.path}: is no Parquet file: {error}") from error


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

    Raises:
        FileFormatError: If a file cannot be read, or is of another kind.
        InputError: If there are none.
    """
    if not paths:
        raise InputError("No files; expected at least one, with a row in each line.")
    return [_open(Path(path)) for path in paths]


def _open(path: Path) -> LogFile:
    try:
        with path.open("rb") as file:
            begin = file.read(_TELLING).removeprefix(_BYTE_ORDER_MARK).lstrip()[:1]
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror or error}.") from error
    kind = path.suffix.lower()
    if kind == ".parquet":
        return ParquetFile(path)
    if kind in (".jsonl", ".ndjson", ".json"):
        return JsonArray(path) if begin == b"[" and kind == ".json" else JsonLines(path)
    raise FileFormatError(
        f"{path}: is of another kind; expected .jsonl, .ndjson, .json or .parquet, with a row in "
        "each line."
    )
