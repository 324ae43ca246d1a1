"""Examples to learn from: questions with passages, from a file or from generated worlds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from at2_rag.datasets.example import TrainingExample
from at2_rag.documents.conversation import Message, checked_history
from at2_rag.documents.passages import Passage, as_passages
from at2_rag.errors import FileFormatError, InputError

_BYTE_ORDER_MARK = "\ufeff"


def read_examples(path: str | Path) -> list[TrainingExample]:
    """Read examples from JSON lines.

    Each line is an object with ``question``, ``passages`` (strings, or objects with ``text`` and,
    if wanted, ``title`` and ``id``), and, if wanted, ``answer``, ``id``, ``history`` and
    ``system``. Other keys are ignored, and so are blank lines. Without an ``id`` an example is
    called by its line.

    Raises:
        FileFormatError: If the file cannot be read or a line is bad; with path and line number.
    """
    path = Path(path)
    found: dict[str, tuple[int, TrainingExample]] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            example = _parse(line, number)
        except InputError as error:
            raise FileFormatError(f"{path}:{number}: {error}") from error
        if example.id in found:
            raise FileFormatError(
                f"{path}:{number}: the id {example.id!r} is also used on line "
                f"{found[example.id][0]}; expected unique ids. Rename one, or leave ids out."
            )
        found[example.id] = number, example
    if not found:
        raise FileFormatError(f"{path}: the file is empty; expected one example a line.")
    return [example for _, example in found.values()]


def _lines(path: Path) -> list[str]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror or error}.") from error
    try:
        return data.decode("utf-8").removeprefix(_BYTE_ORDER_MARK).split("\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileFormatError(
            f"{path}:{line}: byte {data[error.start]:#04x} is not UTF-8; convert the file to UTF-8."
        ) from None


def _parse(line: str, number: int) -> TrainingExample:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"malformed JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InputError(
            f"a JSON {type(value).__name__}; expected an object with 'question' and 'passages'."
        )
    question = _string(value, "question")
    if question is None or not question.strip():
        raise InputError(f"'question' is {question!r}; expected text to answer.")
    name = value.get("id")
    return TrainingExample(
        str(name) if _is_whole_number(name) else _string(value, "id") or f"line-{number}",
        question,
        _passages(value.get("passages")),
        _string(value, "answer"),
        _history(value.get("history") or []),
        _string(value, "system"),
    )


def _string(value: dict[str, Any], key: str) -> str | None:
    found = value.get(key)
    if found is not None and not isinstance(found, str):
        raise InputError(f"{key!r} is a {type(found).__name__}; expected a string.")
    if found is not None and any("\ud800" <= char <= "\udfff" for char in found):
        raise InputError(f"{key!r} holds half of a surrogate pair; expected whole characters.")
    return found


def _is_whole_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _passages(value: Any) -> tuple[Passage, ...]:
    if not isinstance(value, list):
        raise InputError(f"'passages' is a {type(value).__name__}; expected a list.")
    return as_passages([_passage(item, index) for index, item in enumerate(value)])


def _passage(item: Any, index: int) -> Passage:
    value = {"text": item} if isinstance(item, str) else item
    text = _string(value, "text") if isinstance(value, dict) else None
    if text is None:
        raise InputError(f"passages[{index}] is no string and no object with a string 'text'.")
    name = value.get("id")
    found = str(name) if _is_whole_number(name) else _string(value, "id")
    return Passage(text, title=_string(value, "title"), id=found)


def _history(value: Any) -> tuple[Message, ...]:
    if not isinstance(value, list):
        raise InputError(f"'history' is a {type(value).__name__}; expected a list of messages.")
    return checked_history(value)
