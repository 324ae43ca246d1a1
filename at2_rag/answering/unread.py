"""A given answer with its prompt, ready to be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from transformers import DynamicCache

from at2_rag.answering.given import Given
from at2_rag.answering.layout import Layout
from at2_rag.answering.reading import Reading
from at2_rag.answering.written import Written
from at2_rag.estimators import ScoreEstimator, TokenAttention
from at2_rag.prompt.maker import PromptMaker
from at2_rag.prompt.tokens import EncodedPrompt
from at2_rag.spans import Span


@dataclass(frozen=True)
class Unread:
    """A given answer behind its prompt, before the model has read it.

    Attributes:
        maker: What made the prompt of the request.
        prompt: The prompt with the answer behind it, as text and tokens.
        first: Index of the first token behind the prompt.
        written: What stands behind the prompt, as text and tokens.
        given: Where the caller's texts lie in it.
    """

    maker: PromptMaker
    prompt: EncodedPrompt
    first: int
    written: Written
    given: Given

    @property
    def text(self) -> tuple[Sequence[int], Sequence[int]]:
        """Token ids of the prompt, and of what stands behind it."""
        return self.prompt.ids[: self.first], self.written.ids

    def reading(self, attention: TokenAttention, cache: DynamicCache | None = None) -> Reading:
        """Return what the pass left behind.

        Args:
            attention: Attention of the tokens behind the prompt.
            cache: What the model remembers; ``None`` where nobody kept it.
        """
        return Reading(
            self.maker,
            self.prompt,
            self.first,
            self.written,
            attention,
            False,
            self.given,
            cache,
            self.layout,
        )

    @cached_property
    def layout(self) -> Layout:
        """Where everything lies."""
        return Layout.of(self.maker, self.prompt, self.first, self.written)

    def ranges(self, estimator: ScoreEstimator) -> Sequence[Span] | None:
        """Return the tokens that are scored together; ``None`` where each is looked at by itself.

        Args:
            estimator: What the attention to them will be scored with.
        """
        if estimator.compares_tokens:
            return None
        return (*self.layout.source_tokens, *self.layout.document_tokens)
