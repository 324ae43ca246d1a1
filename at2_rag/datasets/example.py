"""An example: a question with passages, to learn from or to measure on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from at2_rag.documents.conversation import Message
from at2_rag.documents.passages import Passage
from at2_rag.prompt.template import PromptTemplate


@dataclass(frozen=True)
class TrainingExample:
    """One question to ask with its passages.

    Attributes:
        id: A name that is unique among the examples of a run; the random ablations depend on it.
        question: What the model is asked.
        passages: What the question is to be answered from.
        answer: The answer to explain; ``None`` for the model's own, greedily decoded.
        history: Earlier chat messages, each with ``role`` and ``content``.
        system: System prompt for this example; ``None`` for the reader's.
        prompt: Prompt template for this example; ``None`` for the reader's.
    """

    id: str
    question: str
    passages: tuple[Passage, ...]
    answer: str | None = None
    history: tuple[Message, ...] = ()
    system: str | None = None
    prompt: PromptTemplate | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Return the settings that this example has of its own, by name."""
        own = {"system": self.system, "prompt": self.prompt}
        return {name: value for name, value in own.items() if value is not None}

    @property
    def fingerprint(self) -> str:
        """Return a hash of everything that the model gets to see, and of the id."""
        content = {
            "id": self.id,
            "question": self.question,
            "passages": [(p.title, p.text) for p in self.passages],
            "answer": self.answer,
            "history": [dict(message) for message in self.history],
            "system": self.system,
            "prompt": None if self.prompt is None else asdict(self.prompt),
        }
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
