"""What a request asks of a reader, whatever the request's shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from at2_rag.documents.conversation import Message
from at2_rag.documents.passages import Passage


@dataclass(frozen=True)
class Asked:
    """A question to a reader.

    Attributes:
        question: What is to be answered.
        passages: What it is to be answered from.
        history: Earlier messages of the chat.
        options: Settings, and options of generation, by name.
        prune_to: How many passages to answer from again; ``None`` to answer once.
        seed: What sampling begins with; ``None`` for anything.
    """

    question: str
    passages: list[Passage]
    history: list[Message] = field(default_factory=list)
    options: Mapping[str, Any] = field(default_factory=dict)
    prune_to: int | None = None
    seed: int | None = None
