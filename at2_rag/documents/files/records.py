"""Passages from JSON: one object a line, a list of objects, or a HotpotQA-style example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from at2_rag.documents.files.source import BYTE_ORDER_MARK, SourceFile
from at2_rag.documents.passages import Passage
from at2_rag.errors import FileFormatError

_FIELDS = ("text", "id", "title", "url", "metadata")


@dataclass(frozen=True)
class Record:
    """One value that should describe a passage, and where it stands in its file.

    Attributes:
        source: The file that the value is from.
        value: The value as it was parsed.
        number: The value's line in a ``.jsonl`` file or row in a table, else its place in the list,
            from 1.
        line: The value's line in the file, where that is known.
    """

    source: SourceFile
    value: Any
    number: int
    line: int | None = None

    def passage(self) -> Passage:
        """Check every field and make the passage."""
        if not isinstance(self.value, dict):
            raise self._error(f"a JSON {_kind(self.value)}; expected an object with a 'text'.")
        if "text" not in self.value:
            keys = ", ".join(map(repr, self.value)) or "no keys"
            raise self._error(f"no 'text' among {keys}; expected a string there.")
        place = {"path": str(self.source.path)} | ({"line": self.line} if self.line else {})
        return Passage(
            self._string("text"),
            title=self._optional_string("title"),
            id=self._id(),
            url=self._optional_string("url"),
            metadata=place | self._extras(),
        )

    def _string(self, key: str) -> str:
        value = self.value[key]
        if not isinstance(value, str):
            raise self._error(f"{key!r} is a JSON {_kind(value)}; expected a string.")
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise self._error(f"{key!r} holds half of a surrogate pair; expected whole characters.")
        return value

    def _optional_string(self, key: str) -> str | None:
        return None if self.value.get(key) is None else self._string(key)

    def _id(self) -> str:
        value = self.value.get("id")
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return self._optional_string("id") or f"{self.source.label}#{self.number}"

    def _extras(self) -> dict[str, Any]:
        nested = self.value.get("metadata")
        if nested is not None and not isinstance(nested, dict):
            raise self._error(f"'metadata' is a JSON {_kind(nested)}; expected an object.")
        return {k: v for k, v in self.value.items() if k not in _FIELDS} | (nested or {})

    def _error(self, problem: str) -> FileFormatError:
        where = "" if self.line is not None else f"item {self.number}: "
        return self.source.error(where + problem, self.line)


def passages_of_jsonl(source: SourceFile, text: str) -> list[Passage]:
    """Read one object per line; blank lines are skipped."""
    lines = text.removeprefix(BYTE_ORDER_MARK).split("\n")
    return [
        Record(source, source.parse_json(line, number), number, number).passage()
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def passages_of_json(source: SourceFile, text: str) -> list[Passage]:
    """Read a list of passages, or the passages of one HotpotQA-style example."""
    content = source.parse_json(text.removeprefix(BYTE_ORDER_MARK))
    items = content if isinstance(content, list) else [content]
    if not items:
        raise source.error("the list is empty; expected passages in it.")
    if all(isinstance(item, dict) and "context" in item for item in items):
        return _passages_of_context(source, _choose(source, items)["context"])
    if source.selection is not None:
        raise source.error(
            f"'#{source.selection}' chooses an example, but not every item of the file is one "
            "with a 'context'; leave it out."
        )
    return _passages(source, [{"text": item} if isinstance(item, str) else item for item in items])


def _passages(source: SourceFile, values: Sequence[Any]) -> list[Passage]:
    return [Record(source, value, n).passage() for n, value in enumerate(values, start=1)]


def _choose(source: SourceFile, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Pick the example that was asked for after ``#``, by id or by number from 1."""
    chosen, count = source.selection, len(examples)
    if chosen is None:
        if count == 1:
            return examples[0]
        raise source.error(
            f"the file holds {count} examples; expected one. Choose it by number or id: "
            f"{source.path.name}#1 to {source.path.name}#{count}."
        )
    for example in examples:
        if chosen in (example.get("id"), example.get("_id")):
            return example
    if chosen.isdecimal() and 1 <= int(chosen) <= count:
        return examples[int(chosen) - 1]
    raise source.error(
        f"no example {chosen!r}; expected an id from the file, or a number from 1 to {count}."
    )


def _passages_of_context(source: SourceFile, context: Any) -> list[Passage]:
    """Read the context of an example in either schema of HotpotQA."""
    pairs = _pairs(context)
    if not pairs:
        raise source.error(
            "a 'context' that cannot be read; expected {'title': [...], 'sentences': [[...]]} "
            "or a list of [title, [sentences]]."
        )
    # HotpotQA's sentences carry their own spaces; those of data sets in its shape may not.
    spaced = any(sentence[:1].isspace() for _, group in pairs for sentence in group[1:])
    joint = "" if spaced else " "
    return _passages(
        source, [{"title": t, "text": joint.join(group).strip()} for t, group in pairs]
    )


def _pairs(context: Any) -> list[tuple[str, list[str]]]:
    """Return (title, sentences) of every passage; nothing if the context has another shape."""
    if isinstance(context, dict):
        titles, sentences = context.get("title"), context.get("sentences")
        if not isinstance(titles, list) or not isinstance(sentences, list):
            return []
        if len(titles) != len(sentences):
            return []
        context = list(zip(titles, sentences, strict=True))
    if not isinstance(context, list):
        return []
    return [(p[0], p[1]) for p in context] if all(map(_is_pair, context)) else []


def _is_pair(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    title, sentences = value
    if not isinstance(title, str) or not isinstance(sentences, list):
        return False
    return all(isinstance(sentence, str) for sentence in sentences)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {bool: "boolean", int: "number", float: "number", str: "string", list: "array"}
    return kinds.get(type(value), "object")
