"""One thing to explain: a prompt, an answer, the sources in one and the targets in the other."""

from __future__ import annotations

from dataclasses import dataclass

from transformers import PreTrainedModel

from at2_rag.ablation import DEFAULT_BYTE_LIMIT, Ablator
from at2_rag.answer import Answer
from at2_rag.attribution import Attribution
from at2_rag.prompt import Span


@dataclass(frozen=True)
class AttributionTask:
    """What every attribution method and every metric works on.

    Attributes:
        model: The model that answers.
        ids: Token ids of prompt and answer.
        prompt_length: Tokens of the prompt.
        sources: Token range of each source in ``ids``.
        targets: Range of answer tokens of each target, counted from the answer's first token.
        answer: The answer with its citations; its statements are the targets.
    """

    model: PreTrainedModel
    ids: tuple[int, ...]
    prompt_length: int
    sources: tuple[Span, ...]
    targets: tuple[Span, ...]
    answer: Answer

    @property
    def first_row(self) -> int:
        """Position of the query that predicts the answer's first token."""
        return self.prompt_length - 1

    def ablator(self, byte_limit: int = DEFAULT_BYTE_LIMIT) -> Ablator:
        """Return what ablates this task's sources."""
        return Ablator(self.model, self.ids, self.prompt_length, self.sources, byte_limit)


def statement_targets(answer: Answer) -> tuple[Span, ...]:
    """Return, for each statement of an answer, its range of answer tokens."""
    return tuple(
        _token_range(answer.attribution, statement.start, statement.end)
        for statement in answer.statements
    )


def _token_range(attribution: Attribution, start: int, end: int) -> Span:
    touching = attribution.tokens_touching(start, end)
    return touching[0], touching[-1] + 1
