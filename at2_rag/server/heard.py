"""What another server's stream has said so far."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Said:
    """What one choice of a completion says.

    Attributes:
        text: The text so far.
        thoughts: What was thought before it, where the server tells that apart.
    """

    text: str = ""
    thoughts: str = ""


@dataclass
class Heard:
    """What a completion's chunks have said.

    Attributes:
        choices: What each choice says, by index.
        head: Fields that all chunks have in common: ``id``, ``model`` and so on.
        failed: Whether the server has told of an error.
    """

    choices: dict[int, Said] = field(default_factory=dict)
    head: dict[str, Any] = field(default_factory=dict)
    failed: bool = False

    def hear(self, raw: bytes) -> bool:
        """Take in an event, and tell whether it belongs to the end: no text comes behind it.

        Args:
            raw: The event as it came.
        """
        data = "\n".join(_data_lines(raw))
        if data.strip() == "[DONE]":
            return True
        chunk = _object(data)
        if chunk is None:
            return False
        self.failed |= "error" in chunk
        self.head |= {k: chunk[k] for k in ("id", "object", "created", "model") if k in chunk}
        choices = [each for each in chunk.get("choices") or () if isinstance(each, Mapping)]
        for choice in choices:
            self._hear_choice(choice)
        ended = any(choice.get("finish_reason") is not None for choice in choices)
        return ended or (not choices and "usage" in chunk)

    def _hear_choice(self, choice: Mapping[str, Any]) -> None:
        said = self.choices.setdefault(int(choice.get("index") or 0), Said())
        delta = choice.get("delta") or {}
        said.text += delta.get("content") or ""
        said.thoughts += thoughts_in(delta)


def thoughts_in(message: Mapping[str, Any]) -> str:
    """Return what a message, or a piece of one, says to have been thought.

    Args:
        message: The message; servers call the thoughts ``reasoning_content`` or ``reasoning``.
    """
    told = message.get("reasoning_content") or message.get("reasoning") or ""
    return told if isinstance(told, str) else ""


def _data_lines(raw: bytes) -> Iterator[str]:
    for line in raw.decode(errors="replace").splitlines():
        if line.startswith("data:"):
            yield line[len("data:") :].removeprefix(" ")


def _object(data: str) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
