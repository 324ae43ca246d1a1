"""The same passages, told in different places of a conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from at2_rag.ablation.task import AttributionTask
from at2_rag.documents.conversation import Message
from at2_rag.documents.passages import Passage, SourceKind
from at2_rag.prompt.template import MULTI_PASSAGE
from at2_rag.reader import Reader


@dataclass(frozen=True)
class Placed:
    """A question with its passages, somewhere in a conversation.

    Attributes:
        question: What is asked of the model.
        passages: Passages that are in the passage list.
        history: Messages before the question.
        system: The system prompt.
        source_kinds: What is cut into sources.
    """

    question: str
    passages: tuple[Passage, ...] = ()
    history: tuple[Message, ...] = ()
    system: str | None = None
    source_kinds: tuple[SourceKind, ...] = field(default=("passage",), kw_only=True)

    def task(self, reader: Reader, **options: Any) -> AttributionTask:
        """Have a reader answer it, and return what there is to explain.

        Args:
            reader: The reader that answers.
            options: Settings and options of generation, as for ``reader.task``.

        Raises:
            ContextOverflowError: If the conversation does not fit the model's context.
        """
        return reader.task(
            self.question,
            self.passages,
            history=self.history,
            system=self.system,
            source_kinds=self.source_kinds,
            **options,
        )


def in_the_list(question: str, passages: Sequence[Passage]) -> Placed:
    """Put all passages into the passage list, as retrieval does."""
    return Placed(question, tuple(passages))


def in_a_message(question: str, passages: Sequence[Passage]) -> Placed:
    """Put all passages into an earlier message of the user's."""
    message = {"role": "user", "content": _told(passages)}
    return Placed(_alone(question), history=(message,), source_kinds=("message",))


def in_a_tool_result(question: str, passages: Sequence[Passage]) -> Placed:
    """Put all passages into one result of a tool."""
    message = {"role": "tool", "content": _told(passages)}
    return Placed(_alone(question), history=(message,), source_kinds=("tool",))


def in_tool_results(question: str, passages: Sequence[Passage]) -> Placed:
    """Put each passage into a result of its own, as of several calls of a tool."""
    messages = tuple({"role": "tool", "content": _block(passage)} for passage in passages)
    return Placed(_alone(question), history=messages, source_kinds=("tool",))


def in_the_system_prompt(question: str, passages: Sequence[Passage]) -> Placed:
    """Put all passages into the system prompt."""
    return Placed(_alone(question), system=_told(passages), source_kinds=("system",))


def in_two_places(question: str, passages: Sequence[Passage]) -> Placed:
    """Put the first half into a tool's result and the others into the passage list."""
    half = len(passages) // 2
    message = {"role": "tool", "content": _told(passages[:half])}
    kinds: tuple[SourceKind, ...] = ("passage", "tool")
    return Placed(question, tuple(passages[half:]), (message,), source_kinds=kinds)


#: By name, as in tables.
PLACEMENTS: Mapping[str, Callable[[str, Sequence[Passage]], Placed]] = {
    "passage list": in_the_list,
    "earlier message": in_a_message,
    "tool result": in_a_tool_result,
    "tool results": in_tool_results,
    "system prompt": in_the_system_prompt,
    "tool and list": in_two_places,
}


def _told(passages: Sequence[Passage]) -> str:
    """Return passages as the prompt tells them, without the question."""
    return f"Passages:\n\n{MULTI_PASSAGE.separator.join(map(_block, passages))}"


def _block(passage: Passage) -> str:
    return f"{passage.title}\n{passage.text}" if passage.title else passage.text


def _alone(question: str) -> str:
    """Return a question as the prompt asks it behind passages."""
    return f"Query: {question}"
