"""What a Markdown file says of itself before its text, between two lines of dashes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_FENCED = re.compile(r"\ufeff?---[ \t]*\r?\n(?P<inside>(?:.*\n)*?)(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)")
_FIELD = re.compile(r"(?P<key>[^\W\d][\w-]*)[ \t]*:(?:[ \t]+(?P<value>.*)|)$")
_ITEM = re.compile(r"[ \t]*-[ \t]+(?P<value>.*)$")


@dataclass(frozen=True)
class FrontMatter:
    """Fields that a file begins with.

    Attributes:
        fields: The value of each field, as text or a list of texts.
        end: Where the file's own text begins, in characters.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    end: int = 0

    @classmethod
    def of(cls, text: str) -> FrontMatter:
        """Return the fields of a text; none if it does not begin with nothing but fields.

        A field is a line ``key: value``, or a line ``key:`` and lines ``- value`` behind it.
        What is nested deeper is left out.
        """
        found = _FENCED.match(text)
        fields = _fields(found["inside"]) if found else None
        return cls(fields, found.end()) if found and fields else cls()

    @property
    def title(self) -> str | None:
        """The field ``title``, if it is text."""
        return self.text("title")

    def text(self, key: str) -> str | None:
        """Return a field, if it is text and not empty."""
        value = self.fields.get(key)
        return value if isinstance(value, str) and value else None


def _fields(inside: str) -> dict[str, Any] | None:
    """Return the fields of some lines; ``None`` if a line is none."""
    fields: dict[str, Any] = {}
    last = ""
    for line in inside.splitlines():
        if (found := _FIELD.match(line.rstrip())) is not None:
            last = found["key"]
            fields[last] = _value(found["value"] or "")
        elif last and (item := _ITEM.match(line)) is not None:
            before = fields[last]
            fields[last] = [*(before if isinstance(before, list) else []), _value(item["value"])]
        elif line.strip() and not line.startswith((" ", "\t", "#")):
            return None
    return fields


def _value(written: str) -> Any:
    """Return a value without its quotes; a list from one in brackets."""
    written = written.strip()
    if len(written) > 1 and written[0] == written[-1] and written[0] in "\"'":
        return written[1:-1]
    if written.startswith("[") and written.endswith("]"):
        return [_value(part) for part in written[1:-1].split(",") if part.strip()]
    return written
