"""Rows of a log: a question, the passages that were retrieved, and the answer that was given.

A row is a mapping, as a line of JSON or a row of a table is. Its fields go by this library's own
names, or by those of the data sets of Ragas (``user_input``, ``retrieved_contexts``, ``response``)
or LangSmith (``inputs`` and ``outputs``, each with fields of its own, or as JSON text, as its bulk
exports have them).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from at2_rag.documents.conversation import Message, checked_history
from at2_rag.documents.passages import Passage, check_text
from at2_rag.errors import InputError

#: What the fields are called, best first; LangSmith's are looked for in outputs and inputs too.
_QUESTION = ("question", "user_input", "input", "query")
_PASSAGES = (
    "passages",
    "retrieved_contexts",
    "contexts",
    "context",
    "documents",
    "source_documents",
)
_ANSWER = ("answer", "response", "output", "result")
_THOUGHTS = ("thoughts", "reasoning_content")
_HISTORY = ("history", "chat_history")
_TEXT = ("text", "page_content", "content")


@dataclass(frozen=True)
class LoggedRow:
    """What a row of a log says.

    Attributes:
        question: What was asked.
        passages: What was retrieved, best first.
        answer: What was answered; ``None`` if the row does not say, or nobody wants to know.
        thoughts: What was thought before the answer; ``None`` likewise.
        history: Earlier messages of the chat.
    """

    question: str
    passages: tuple[Passage, ...]
    answer: str | None
    thoughts: str | None
    history: tuple[Message, ...]

    @classmethod
    def of(cls, row: object, *, answered: bool = True) -> LoggedRow:
        """Read a row.

        Args:
            row: A row of a log, as the module says.
            answered: Whether the row's own answer and thoughts are wanted; else they may be
                anything, such as a list of right answers.

        Raises:
            InputError: If it has no question or no passages, or a field is of another type.
        """
        if not isinstance(row, Mapping):
            raise InputError(
                f"a row is a {type(row).__name__}; expected a mapping with 'question', 'passages' "
                "and 'answer'."
            )
        question = _text(row, _QUESTION)
        if question is None:
            raise InputError(
                f"there is no question among the fields {_names(row)}; expected 'question', "
                "'user_input', or 'inputs' with one of them."
            )
        return cls(
            question,
            _passages(_field(row, _PASSAGES, last=True)),
            _text(row, _ANSWER, last=True) if answered else None,
            _text(row, _THOUGHTS, last=True) if answered else None,
            _history(_field(row, _HISTORY)),
        )


def _field(row: Mapping[str, Any], names: Sequence[str], *, last: bool = False) -> Any:
    """Return the first field of these names that holds something; ``None`` if none does.

    Args:
        row: The row, which may have fields within ``inputs`` and ``outputs``.
        names: What the field may be called.
        last: Whether outputs are looked at before inputs.
    """
    order = ("outputs", "inputs") if last else ("inputs", "outputs")
    nested = [_unpacked(row.get(name)) for name in order]
    for fields in (row, *nested):
        if isinstance(fields, Mapping):
            found = [fields[name] for name in names if fields.get(name) is not None]
            if found:
                return found[0]
    return None


def _unpacked(fields: Any) -> Any:
    """Return fields that are kept as JSON text as what they are; anything else as it is."""
    if not (isinstance(fields, str) and fields.lstrip().startswith("{")):
        return fields
    try:
        return json.loads(fields)
    except (ValueError, RecursionError):
        return fields


def _text(row: Mapping[str, Any], names: Sequence[str], *, last: bool = False) -> str | None:
    found = _field(row, names, last=last)
    if found is None:
        return None
    if not isinstance(found, str):
        raise InputError(f"{names[0]} is a {type(found).__name__}; expected text.")
    check_text(names[0], found)
    return found


def _names(row: Mapping[str, Any]) -> str:
    return ", ".join(map(str, row)) or "(none)"


def _passages(values: Any) -> tuple[Passage, ...]:
    if values is None:
        raise InputError(
            "there are no passages; expected 'passages', 'retrieved_contexts' or 'contexts', or "
            "'outputs' with one of them."
        )
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        raise InputError(f"passages is a {type(values).__name__}; expected a list.")
    return _without_repeated_ids(_passage(value, index) for index, value in enumerate(values))


def _passage(value: Any, index: int) -> Passage:
    """Return a passage; what is told of it beside its own fields goes with the metadata."""
    if isinstance(value, Passage):
        return value
    if isinstance(value, str):
        return Passage(value)
    if not isinstance(value, Mapping):
        raise InputError(
            f"passages[{index}] is a {type(value).__name__}; expected text, or fields."
        )
    name = next((name for name in _TEXT if isinstance(value.get(name), str)), None)
    if name is None:
        raise InputError(f"passages[{index}] has no 'text' among its fields {_names(value)}.")
    metadata = dict(value.get("metadata") or {})
    told = {**metadata, **{key: value[key] for key in value if key not in (name, "metadata")}}
    title, own_id, url = (
        None if told.get(key) is None else str(told[key]) for key in ("title", "id", "url")
    )
    return Passage(value[name], title, own_id, url, metadata)


def _without_repeated_ids(passages: Iterable[Passage]) -> tuple[Passage, ...]:
    """Return the passages, a second one of the same id without: chunks share their document's."""
    seen: set[str] = set()
    found = []
    for passage in passages:
        repeated = passage.id is not None and passage.id in seen
        if passage.id is not None:
            seen.add(passage.id)
        found.append(replace(passage, id=None) if repeated else passage)
    return tuple(found)


def _history(value: Any) -> tuple[Message, ...]:
    if value is None:
        return ()
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
        raise InputError(f"history is a {type(value).__name__}; expected a list of messages.")
    return checked_history(value)
