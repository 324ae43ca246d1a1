"""One row of a data set, and typed access to its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from at2_rag.errors import InputError


@dataclass(frozen=True)
class Row:
    """One row, or one record inside a row.

    Attributes:
        fields: What each field of the row holds, by name, as the hub has them.
        dataset: Name of the data set, which ids begin with.
        index: What a row without an id of its own is called in its data set.
        path: What leads to this record inside its row, such as ``"document."``.
    """

    fields: Mapping[str, Any]
    dataset: str = "row"
    index: str = "0"
    path: str = ""

    def id(self, key: str | None = None) -> str:
        """Return an id for the example: from the field ``key`` if it is there, or by position."""
        own = None if key is None else self.fields.get(key)
        if isinstance(own, str | int) and not isinstance(own, bool) and str(own).strip():
            return f"{self.dataset}-{own}"
        return f"{self.dataset}-{self.index}"

    def text(self, key: str) -> str:
        """Return a string.

        Raises:
            InputError: If it is missing, no string, or holds half a character.
        """
        value: str = self._get(key, str, "a string")
        self._check_whole(key, value)
        return value

    def optional_text(self, key: str) -> str:
        """Return a string; an empty one if it is missing or null."""
        return "" if self.fields.get(key) is None else self.text(key)

    def texts(self, key: str) -> list[str]:
        """Return a list of strings."""
        values: list[Any] = self._get(key, list, "a list of strings")
        for value in values:
            if not isinstance(value, str):
                raise InputError(
                    f"{self._name(key)} holds {_kind(value)}; expected strings in the list."
                )
            self._check_whole(key, value)
        return values

    def inside(self, key: str) -> Row:
        """Return the record in a field."""
        record: dict[str, Any] = self._get(key, dict, "a record")
        return Row(record, self.dataset, self.index, f"{self.path}{key}.")

    def records(self, key: str) -> list[Row]:
        """Return the records in a field.

        A list of records is a record of lists in ``datasets``; files have either.
        """
        value = self._get(key, (list, dict), "a list of records, or a record of lists")
        items = self._transposed(key, value) if isinstance(value, dict) else value
        for item in items:
            if not isinstance(item, dict):
                raise InputError(f"{self._name(key)} holds {_kind(item)}; expected records in it.")
        return [Row(item, self.dataset, self.index, f"{self.path}{key}.") for item in items]

    def _transposed(self, key: str, columns: dict[str, Any]) -> list[dict[str, Any]]:
        for name, column in columns.items():
            if not isinstance(column, list):
                raise InputError(
                    f"'{self.path}{key}.{name}' is {_kind(column)}; expected a list, as long as "
                    "those beside it."
                )
        if len({len(column) for column in columns.values()}) > 1:
            lengths = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
            raise InputError(
                f"{self._name(key)} has lists of several lengths ({lengths}); expected one length."
            )
        cells = zip(*columns.values(), strict=True)
        return [dict(zip(columns, record, strict=True)) for record in cells]

    def _get(self, key: str, kind: type | tuple[type, ...], expected: str) -> Any:
        if key not in self.fields:
            present = ", ".join(self.fields) or "none"
            raise InputError(
                f"{self._name(key)} is missing; expected {expected}. The fields are {present}: "
                "check that this is the right data set."
            )
        value = self.fields[key]
        if not isinstance(value, kind):
            raise InputError(f"{self._name(key)} is {_kind(value)}; expected {expected}.")
        return value

    def _name(self, key: str) -> str:
        return repr(self.path + key)

    def _check_whole(self, key: str, value: str) -> None:
        # JSON can hold half of a surrogate pair, which no tokenizer reads.
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise InputError(
                f"{self._name(key)} holds half of a surrogate pair; expected whole characters."
            )


def _kind(value: Any) -> str:
    return "null" if value is None else f"a {type(value).__name__}"
