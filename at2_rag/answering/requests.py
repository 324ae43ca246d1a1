"""From what a caller asks to a request that a model can answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from at2_rag.documents.conversation import Message, checked_history
from at2_rag.documents.passages import Passage, as_passages, check_text
from at2_rag.errors import InputError
from at2_rag.model.generate_options import (
    generate_options,
    only_for_sampling,
    refuse_misspelt,
    with_config_unfolded,
)
from at2_rag.notices import warn_of_no_sampling
from at2_rag.prompt.request import Request
from at2_rag.prompt.settings import Settings, refuse_unknown
from at2_rag.prompt.thinking_markers import thinking_markers


@dataclass(frozen=True)
class RequestMaker:
    """Makes requests of questions with passages, history and options, or says what is wrong.

    Attributes:
        model: The model that is to answer.
        tokenizer: The model's tokenizer.
        settings: Settings of all questions that bring none of their own.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    settings: Settings

    def make(
        self,
        question: str,
        passages: Iterable[str | Passage],
        history: Sequence[Message],
        options: Mapping[str, Any],
    ) -> Request:
        """Return what was asked.

        Args:
            question: What the model is to answer.
            passages: What the caller wants the question answered from; a string is a passage's
                text.
            history: Earlier messages of the chat, each with ``role`` and ``content``.
            options: Settings, and options of ``model.generate``, by name, also in a
                ``generation_config``.

        Raises:
            InputError: If question, passages or an option cannot be used.
        """
        settings, generation = self._told_by(options)
        warn_of_no_sampling(only_for_sampling(generation), stacklevel=3)
        if not isinstance(question, str) or not question.strip():
            raise InputError(f"question is {question!r}; expected text to answer.")
        check_text("question", question)
        alone = settings.on_empty == "answer"
        needed = not (alone or self._has_other_sources(settings))
        found = as_passages(passages, needed=needed)
        request = Request(question, found, checked_history(history), settings, generation)
        if not (len(request.documents) or alone or self._thinks(settings)):
            raise InputError(
                f"There are no passages, and nothing in the conversation is a source by "
                f"source_kinds={settings.source_kinds}; expected at least one document with text."
            )
        return request

    def check(self, options: Mapping[str, Any], *, generating: bool) -> None:
        """Refuse options that no question could be asked with.

        Args:
            options: As for :meth:`make`.
            generating: Whether the model is to write, so that those of ``model.generate`` will do.

        Raises:
            InputError: If an option is unknown, or cannot be used.
        """
        _, generation = self._told_by(options)
        if generating:
            generate_options(self.model, generation)
        else:
            refuse_unknown(generation)

    def has_sources(
        self,
        passages: Iterable[str | Passage],
        history: Sequence[Message],
        options: Mapping[str, Any],
    ) -> bool:
        """Whether the prompt of a question about these has anything in it to be cited.

        Args:
            passages: As for :meth:`make`.
            history: As for :meth:`make`.
            options: As for :meth:`make`.

        Raises:
            InputError: If passages, history or a setting cannot be used.
        """
        settings, _ = self.settings.override(options)
        found = as_passages(passages, needed=False)
        request = Request("", found, checked_history(history), settings)
        return bool(request.readable or request.documents["conversation"])

    def _told_by(self, options: Mapping[str, Any]) -> tuple[Settings, dict[str, Any]]:
        """Return the settings that options make, and those of them that are for ``model.generate``.

        Args:
            options: As for :meth:`make`.

        Raises:
            InputError: If an option is unknown, or cannot be used.
        """
        settings, generation = self.settings.override(with_config_unfolded(options))
        refuse_misspelt(self.model, generation, Settings.names())
        return settings, generation

    def _has_other_sources(self, settings: Settings) -> bool:
        """Whether something else than the passages may hold sources."""
        told = set(settings.source_kinds) - {"passage", "thought"}
        return bool(told) or self._thinks(settings)

    def _thinks(self, settings: Settings) -> bool:
        """Whether the model's thoughts may be sources."""
        wanted = "thought" in settings.source_kinds
        return wanted and thinking_markers(self.tokenizer, settings.thinking) is not None
