"""What was asked: a question about passages, in a conversation, with settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from at2_rag.documents.conversation import Conversation, Message
from at2_rag.documents.passages import Passage
from at2_rag.prompt.settings import Settings
from at2_rag.sections import Sections


@dataclass(frozen=True)
class Request:
    """A question about passages, and all that decides how it is answered.

    Attributes:
        question: What the model is to answer.
        passages: The caller's passages, all of them.
        history: Earlier chat messages; where they end with the result of a tool that was called
            for the question, with the question among them.
        settings: How the question is asked and the answer cited: template, system prompt and so on.
        generation: Options of ``model.generate``, by name.
        originals: The caller's passages, where some of ``passages`` are shortened so that they fit;
            empty where they are the caller's own.
    """

    question: str
    passages: tuple[Passage, ...]
    history: tuple[Message, ...] = field(default=(), hash=False)
    settings: Settings = field(default_factory=Settings)
    generation: Mapping[str, Any] = field(default_factory=dict, hash=False)
    originals: tuple[Passage, ...] = ()

    def shortened(self, lengths: Mapping[int, int]) -> Request:
        """Return the same about passages that are shorter.

        Args:
            lengths: How many characters to keep of some passages, by index; with 0, a passage stays
                as it is.
        """
        passages = tuple(
            replace(passage, text=passage.text[: lengths[i]]) if lengths.get(i) else passage
            for i, passage in enumerate(self.passages)
        )
        return replace(self, passages=passages, originals=self.given)

    @property
    def given(self) -> tuple[Passage, ...]:
        """The passages as the caller gave them, also where less of them is shown."""
        return self.originals or self.passages

    def left_out(self, shown: Collection[int]) -> tuple[int, ...]:
        """Return the indices of the passages with text that are not shown.

        Args:
            shown: Indices of the passages that are.
        """
        return tuple(index for index in self.readable if index not in shown)

    @property
    def readable(self) -> list[int]:
        """Indices of the passages that have text."""
        return [i for i, passage in enumerate(self.passages) if not passage.is_empty]

    @cached_property
    def to_show(self) -> list[int]:
        """Indices of the passages to show, if they fit: those with text.

        Where the settings bound their number, the best of them by BM25 of the question.
        """
        readable, most = self.readable, self.settings.max_passages
        if most is None or len(readable) <= most:
            return readable
        from at2_rag.documents.bm25 import best_by_bm25  # which only who has too many needs

        best = best_by_bm25(self.question, [self.passages[i] for i in readable], most)
        return [readable[index] for index in best]

    @cached_property
    def conversation(self) -> Conversation:
        """What is said around the question.

        Raises:
            InputError: If a message of the history is malformed.
        """
        return Conversation.about(self.question, self.history, self.settings.system)

    @cached_property
    def documents(self) -> Sections[Passage]:
        """All that is in the prompt to be cited, in the sections ``passages`` and ``conversation``.

        The latter are the system prompt and the messages that are sources by the settings and have
        text, in the order of the conversation.
        """
        told = self.conversation.documents(self.settings.source_kinds)
        return Sections.of(passages=self.passages, conversation=told)
