"""What an audit found: counts over all rows and by a column, and the answers to look at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappush, heappushpop
from itertools import count
from typing import Any

from at2_rag.audit.folder import AuditFolder
from at2_rag.audit.records import PREFIX
from at2_rag.audit.tally import Tally
from at2_rag.errors import InputError

#: Groups of one column; a column of more values is one that tells rows apart.
_MOST_GROUPS = 50


@dataclass(frozen=True)
class Summary:
    """What an audit found.

    Attributes:
        where: Path or URL of the audit's folder.
        manifest: What the records depend on.
        overall: Counts over all rows.
        groups: Counts over the rows of each value of a column, by the value as text; empty where no
            column was named.
        worst: Records of answers with a statement that is not supported, or has an ungrounded
            word, those with the least that is right first.
        rejected: How many rows were set apart.
    """

    where: str
    manifest: Mapping[str, Any]
    overall: Tally
    groups: Mapping[str, Tally]
    worst: Sequence[dict[str, Any]]
    rejected: int


def summarize(folder: AuditFolder, by: str | None = None, worst: int = 100) -> Summary:
    """Go through the records of an audit, and count.

    Args:
        folder: Where the audit is kept.
        by: Column of the input whose values make groups; of a field within another,
            ``metadata.retriever``. ``None`` for no groups.
        worst: How many records to keep of answers with a statement that is not supported, or has
            an ungrounded word.

    Raises:
        InputError: If there are no records, or the column is in none of them, or has too many
            values.
        FileFormatError: If the folder is none of an audit, or a part is damaged.
    """
    manifest, overall, groups = folder.manifest(), Tally(), dict[str, Tally]()
    kept, names = _Worst(worst), dict[str, None]()
    for record in folder.records():
        overall.add(record)
        kept.add(record)
        names |= dict.fromkeys(name for name in record if not name.startswith(PREFIX))
        if by is not None and (value := _value(record, by)) is not None:
            groups.setdefault(value, Tally()).add(record)
            _check_groups(by, groups)
    if not overall.rows:
        raise InputError(f"{folder.where} holds no records; expected at least one audited row.")
    if by is not None and not groups:
        raise InputError(f"--by is {by!r}; expected a column: {', '.join(names)}.")
    rejected = sum(1 for _ in folder.rejects())
    return Summary(folder.where, manifest, overall, groups, kept.records, rejected)


class _Worst:
    """Keeps the records of the answers with the most that is not supported, or ungrounded.

    Args:
        most: How many to keep.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[float, int, int, dict[str, Any]]] = []
        self._order = count(0, -1)

    def add(self, record: dict[str, Any]) -> None:
        unsupported, ungrounded = record["at2_unsupported"] or 0, record["at2_ungrounded"] or 0
        if not unsupported + ungrounded:
            return
        of = record["at2_statements"]
        badness = unsupported / of + ungrounded / (2 * of), unsupported, next(self._order)
        put = heappush if len(self._heap) < self._most else heappushpop
        put(self._heap, (*badness, record))

    @property
    def records(self) -> list[dict[str, Any]]:
        return [record for *_, record in sorted(self._heap, key=lambda each: each[:3])[::-1]]


def _value(record: Mapping[str, Any], column: str) -> str | None:
    """Return a column's value as text; of a dotted name that is no column, of a field within."""
    found: Any = record.get(column)
    if found is None:
        found = record
        for name in column.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    return None if found is None else str(found)


def _check_groups(by: str, groups: Mapping[str, Tally]) -> None:
    if len(groups) > _MOST_GROUPS:
        raise InputError(
            f"--by is {by!r}, which has more than {_MOST_GROUPS} values; expected a column that "
            "parts the rows into few groups, such as a retriever or a day."
        )


@dataclass(frozen=True)
class Changed:
    """A row whose support is another in the second of two runs.

    Attributes:
        name: The row's id, or its file and line.
        before: Supported share of the answer in the first run.
        after: Supported share of the answer in the second run.
    """

    name: str
    before: float
    after: float


def changes(first: AuditFolder, second: AuditFolder) -> list[Changed]:
    """Return the rows of both runs whose support differs, those that lost most first.

    Args:
        first: Where the first run is kept.
        second: Where the second run is kept.
    """
    before = {name_of(record): record["at2_supported_share"] for record in first.records()}
    found = []
    for record in second.records():
        name, after = name_of(record), record["at2_supported_share"]
        if (old := before.get(name)) is not None and after is not None and after != old:
            found.append(Changed(name, old, after))
    return sorted(found, key=lambda each: each.after - each.before)


def name_of(record: Mapping[str, Any]) -> str:
    """Return what a row is called: its id, or else its file and line."""
    name = record.get("id")
    return str(record["at2_row"] if name is None else name)
