"""Answers in the shape of OpenAI's chat completions."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import time
from typing import Any
from uuid import uuid4

from at2_rag.answer.answer import Answer
from at2_rag.answer.statement import Statement
from at2_rag.answering.streaming import Event, Thinking, Writing
from at2_rag.server.annotations import about, annotations_of


@dataclass(frozen=True)
class Completion:
    """What all chunks of a completion have in common.

    Attributes:
        model: The name of the model.
        id: The completion's own name.
        created: When it was begun, in seconds since 1970.
    """

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid4().hex}")
    created: int = field(default_factory=lambda: int(time()))

    def whole(self, answer: Answer) -> dict[str, Any]:
        """Return an answer as a completion."""
        message = {
            "role": "assistant",
            "content": answer.text,
            "refusal": None,
            "annotations": annotations_of(answer.statements),
        }
        if answer.thoughts is not None:
            message["reasoning_content"] = answer.thoughts.text
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": _finish_reason(answer),
        }
        told = {"usage": _usage(answer), "at2": about(answer, self.model)}
        return {**self._head("chat.completion"), "choices": [choice], **told}

    def first(self) -> dict[str, Any]:
        """Return the chunk that says who speaks."""
        return self._chunk({"role": "assistant", "content": ""})

    def piece(self, event: Event) -> dict[str, Any]:
        """Return the chunk of something that has come; of the whole answer, the last one.

        Args:
            event: What a reader's stream has yielded.
        """
        if isinstance(event, Thinking):
            return self._chunk({"reasoning_content": event.text})
        if isinstance(event, str | Writing):
            return self._chunk({"content": event if isinstance(event, str) else event.text})
        if isinstance(event, Statement):
            return self._chunk({"annotations": annotations_of([event])})
        return {**self._chunk({}, _finish_reason(event)), "at2": about(event, self.model)}

    def usage(self, answer: Answer) -> dict[str, Any]:
        """Return the chunk that tells how many tokens there were."""
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": _usage(answer)}

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def _finish_reason(answer: Answer) -> str:
    return "length" if answer.truncated else "stop"


def _usage(answer: Answer) -> dict[str, int]:
    written = answer.answer_tokens
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": written,
        "total_tokens": answer.prompt_tokens + written,
    }
