"""Pruning: passages ranked by use, the rest dropped (paper, section 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from at2_rag.answer import Answer
from at2_rag.errors import InputError
from at2_rag.passages import Passage
from at2_rag.prompt import Span


@dataclass(frozen=True)
class Saved:
    """What pruning left out, before and after.

    Attributes:
        passages: Passages shown to the model.
        sentences: Sentences in them.
        tokens: Tokens of the whole prompt.
    """

    passages: tuple[int, int]
    sentences: tuple[int, int]
    tokens: tuple[int, int]


@dataclass(frozen=True)
class Pruned:
    """Passages that an answer used.

    Attributes:
        passages: Those kept, in the caller's order; texts shortened if sentences were dropped.
        kept: Index of each among the passages that the caller passed.
        scores: Score of each, by the draft; unitless.
        spans: For each, the characters kept of the original text, in order.
        saved: What was left out.
        draft: The answer that the scores come from.
    """

    passages: tuple[Passage, ...]
    kept: tuple[int, ...]
    scores: tuple[float, ...]
    spans: tuple[tuple[Span, ...], ...]
    saved: Saved
    draft: Answer


@dataclass(frozen=True)
class PruneRule:
    """How much to keep: the ``top_k`` highest, or all with a share of at least ``min_share``.

    Attributes:
        top_k: Number of passages (or sentences) to keep.
        min_share: Share of the sum of all positive scores, above 0 and at most 1.
    """

    top_k: int | None = None
    min_share: float | None = None

    def __post_init__(self) -> None:
        if (self.top_k is None) == (self.min_share is None):
            raise InputError(
                f"top_k is {self.top_k} and min_share is {self.min_share}; expected one of them."
            )
        if self.min_share is not None and not 0 < self.min_share <= 1:
            raise InputError(f"min_share is {self.min_share}; expected above 0 and at most 1.")

    def choose(self, scores: Mapping[int, float]) -> list[int]:
        """Return the keys to keep, in ascending order; always at least one."""
        ranked = sorted(scores, key=lambda key: (-scores[key], key))
        if self.top_k is not None:
            return sorted(ranked[: self.top_k])
        total = sum(score for score in scores.values() if score > 0)
        least = (self.min_share or 0.0) * total
        return sorted([key for key in ranked if scores[key] >= least > 0] or ranked[:1])


def check_count(name: str, value: int, available: int, what: str) -> None:
    """Raise ``InputError`` unless 1 <= value <= available."""
    if not isinstance(value, int) or not 1 <= value <= available:
        raise InputError(
            f"{name} is {value!r}; expected a whole number from 1 to {available}, the number of "
            f"{what}."
        )


def keep_sentences(
    passages: Sequence[Passage], kept: Mapping[int, Sequence[Span]]
) -> tuple[Passage, ...]:
    """Return passages cut down to some of their sentences, verbatim, with title and id.

    Args:
        passages: The caller's passages.
        kept: For each passage to keep, characters of its sentences to keep, in order.
    """
    return tuple(
        replace(passages[index], text=_joined(passages[index].text, spans))
        for index, spans in kept.items()
    )


def _joined(text: str, spans: Sequence[Span]) -> str:
    """Join spans by what stands between neighbours, and by a space where a sentence is gone."""
    result = ""
    for (start, end), following in zip(spans, [*spans[1:], None], strict=True):
        result += text[start:end]
        if following is not None:
            between = text[end : following[0]]
            result += between if not between.strip() else " "
    return result
