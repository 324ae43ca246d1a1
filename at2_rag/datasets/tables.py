"""Where rows come from: a local file, or the hub through the ``datasets`` library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from at2_rag.datasets.rows import Row
from at2_rag.documents.files.source import BYTE_ORDER_MARK, SourceFile
from at2_rag.errors import FileFormatError, InputError, MissingResourceError, missing_extra

Parsed = TypeVar("Parsed")


class Placed(NamedTuple):
    """One row as it was found.

    Attributes:
        place: Where the row is, for messages.
        name: What the row is called in its data set if it has no id.
        value: The row itself, as it was parsed.
    """

    place: str
    name: str
    value: Any


@dataclass(frozen=True)
class Table:
    """Rows that can be had in any order.

    Attributes:
        rows: Every row, as it was parsed.
        label: What the table is called in messages.
        prefix: What the names of the table's rows begin with.
        lines: Line number of each row, in a file that has one a line; ``None`` for any other table.
    """

    rows: Sequence[Any]
    label: str
    prefix: str
    lines: Sequence[int] | None = None

    def row(self, index: int) -> Placed:
        """Return one row."""
        where = f"{self.label}: row {index}"
        if self.lines is not None:
            where = f"{self.label}:{self.lines[index]}"
        return Placed(where, f"{self.prefix}-{index}", self.rows[index])


def parsed_rows(
    rows: Iterable[Placed], dataset: str, parse: Callable[[Row], Parsed | None]
) -> Iterator[Parsed]:
    """Yield what is made of each row, without those of which nothing is.

    Args:
        rows: The rows, each with where it was found.
        dataset: Name of the data set.
        parse: Makes something of a row; returns ``None`` for a row to leave out.

    Raises:
        FileFormatError: If a row is bad; with its place.
    """
    for placed in rows:
        try:
            if not isinstance(placed.value, dict):
                kind = type(placed.value).__name__
                raise InputError(f"the row is a {kind}; expected a record with named fields.")
            found = parse(Row(placed.value, dataset, placed.name))
        except InputError as error:
            raise FileFormatError(f"{placed.place}: {error}") from error
        if found is not None:
            yield found


def read_table(path: Path, prefix: str) -> Table:
    """Read a local file: JSON lines, or one JSON list of rows.

    Raises:
        FileFormatError: If it cannot be read; with the path, and the line where there is one.
    """
    source = SourceFile(path, path.name)
    if source.suffix not in (".json", ".jsonl"):
        raise source.error(f"ends in {source.suffix!r}; expected .json or .jsonl.")
    text = source.text().removeprefix(BYTE_ORDER_MARK)
    if source.suffix == ".jsonl":
        lines = [(n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
        rows = [source.parse_json(line, number) for number, line in lines]
        return Table(rows, str(path), prefix, [number for number, _ in lines])
    content = source.parse_json(text)
    rows = content if isinstance(content, list) else [content]
    if not rows:
        raise source.error("the list is empty; expected rows in it.")
    return Table(rows, str(path), prefix)


@dataclass(frozen=True)
class HubSplit:
    """One split of a data set on the hub.

    Attributes:
        repository: What the hub calls the data set.
        config: Which configuration of the data set to read; ``None`` for the only one.
        split: What the hub calls the split.
        options: Options for ``datasets.load_dataset``, by name.
    """

    repository: str
    config: str | None
    split: str
    options: dict[str, Any]

    @property
    def label(self) -> str:
        """What the split is called in messages."""
        parts = [part for part in (self.config, self.split) if part is not None]
        return f"{self.repository} ({', '.join(parts)})"

    def table(self, prefix: str) -> Table:
        """Download the split, or take it from the cache."""
        return Table(self._load(streaming=False), self.label, prefix)

    def stream(self, prefix: str, seed: int | None, shuffle_buffer: int) -> Iterator[Placed]:
        """Go through the split without downloading it first.

        Args:
            prefix: What the names of the rows begin with.
            seed: Which random order the rows come in; the same seed gives the same order. ``None``
                for the hub's own.
            shuffle_buffer: How many rows to shuffle at a time.
        """
        rows = self._load(streaming=True)
        if seed is not None:
            rows = rows.shuffle(seed=seed, buffer_size=shuffle_buffer)
        for index, value in zip(count(), rows, strict=False):
            yield Placed(f"{self.label}: row {index}", f"{prefix}-{index}", value)

    def _load(self, *, streaming: bool) -> Any:
        library = _import_datasets()
        try:
            return library.load_dataset(
                self.repository, self.config, split=self.split, streaming=streaming, **self.options
            )
        # The library reports a missing network, repository, configuration or split as any of these.
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).rstrip(". ")
            raise MissingResourceError(
                f"{self.label} cannot be loaded from the hub: {reason}. Check the network, try "
                'revision="refs/convert/parquet" where a loading script is refused, or pass rows '
                "in a file: path='rows.jsonl'."
            ) from error


def _import_datasets() -> Any:
    # Imported by name: the library is optional, and types of it are not needed.
    try:
        return import_module("datasets")
    except ImportError as error:
        way = ", or pass rows in a file: path='rows.jsonl'."
        raise missing_extra(
            "Loading from the hub", "the datasets library", "datasets", way
        ) from error
