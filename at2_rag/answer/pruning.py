"""Pruning: passages ranked, the best of them kept (paper, section 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from at2_rag.answer.answer import Answer
from at2_rag.answer.in_short import counted, quoted
from at2_rag.answer.usage import Usage
from at2_rag.documents.passages import Passage
from at2_rag.documents.sentences import sentence_spans
from at2_rag.errors import InputError
from at2_rag.prompt.maker import PromptMaker
from at2_rag.spans import Span, joined


@dataclass(frozen=True)
class Saved:
    """What pruning left out, before and after.

    Attributes:
        passages: How many passages were shown to the model, and how many are kept.
        sentences: How many sentences the shown passages have, and how many the kept ones.
        tokens: How many tokens the whole prompt has, before and after.
    """

    passages: tuple[int, int]
    sentences: tuple[int, int]
    tokens: tuple[int, int]

    def __str__(self) -> str:
        told = ("passage", self.passages), ("sentence", self.sentences), ("token", self.tokens)
        return ", ".join(f"{after:,} of {counted(before, noun)}" for noun, (before, after) in told)


@dataclass(frozen=True, repr=False)
class Pruned:
    """Passages that a draft used, or that the question looks at.

    Attributes:
        passages: The passages that were kept, in the caller's order; texts shortened if sentences
            were dropped.
        kept: Index of each kept passage among those that the caller passed.
        scores: How much the draft used each kept passage with its copies, or the question looks at
            it; unitless.
        spans: Which characters of its original text each kept passage has left, in order.
        saved: How much there was before pruning, and how much is left.
        question: The question that the passages are to answer.
        draft: The answer that the scores come from; ``None`` where they are the question's.
    """

    passages: tuple[Passage, ...]
    kept: tuple[int, ...]
    scores: tuple[float, ...]
    spans: tuple[tuple[Span, ...], ...]
    saved: Saved
    question: str
    draft: Answer | None

    def __repr__(self) -> str:
        return f"<Pruned to {self.saved} for {quoted(self.question)}>"


@dataclass(frozen=True)
class PruneRule:
    """How much to keep: the ``top_k`` highest, or all with a share of at least ``min_share``.

    What says the same counts as one, and one is kept of it. A copy is kept only where there are
    fewer than ``top_k`` that say something else.

    Attributes:
        top_k: How many passages (or sentences) to keep at most; ``None`` to go by ``min_share``.
        min_share: Least share of all positive scores with which a passage (or sentence) is kept,
            above 0 and at most 1; ``None`` to go by ``top_k``.
        unit: What is kept or dropped: whole passages, or sentences within them.
    """

    top_k: int | None = None
    min_share: float | None = None
    unit: Literal["passage", "sentence"] = "passage"

    def __post_init__(self) -> None:
        if (self.top_k is None) == (self.min_share is None):
            raise InputError(
                f"top_k is {self.top_k} and min_share is {self.min_share}; expected one of them."
            )
        if self.top_k is not None:
            check_count("top_k", self.top_k)
        if self.min_share is not None and not 0 < self.min_share <= 1:
            raise InputError(f"min_share is {self.min_share}; expected above 0 and at most 1.")
        if self.unit not in ("passage", "sentence"):
            raise InputError(f"unit is {self.unit!r}; expected 'passage' or 'sentence'.")

    def choose(self, scores: Mapping[int, float]) -> list[int]:
        """Return the keys to keep, in ascending order; always at least one."""
        ranked = sorted(scores, key=lambda key: (-scores[key], key))
        if self.top_k is not None:
            return sorted(ranked[: self.top_k])
        total = sum(score for score in scores.values() if score > 0)
        least = (self.min_share or 0.0) * total
        return sorted(
            [key for key in ranked if scores[key] > 0 and scores[key] >= least] or ranked[:1]
        )


def check_count(name: str, value: int) -> None:
    """Raise ``InputError`` unless it is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{name} is {value!r}; expected a whole number of at least 1.")


@dataclass(frozen=True, eq=False)
class Ranked:
    """Passages that the model saw, in an order.

    Attributes:
        usage: What passages and their pieces count for.
        prompt_tokens: How many tokens the prompt has that shows them.
        dropped: Indices of the passages with text that it does not show.
        draft: The answer that the scores come from; ``None`` where they are the question's.
    """

    usage: Usage
    prompt_tokens: int
    dropped: tuple[int, ...]
    draft: Answer | None

    @classmethod
    def by_draft(cls, draft: Answer) -> Ranked:
        """Return passages by what an answer used."""
        return cls(draft.usage, draft.prompt_tokens, draft.dropped, draft)

    def best(self, count: int) -> list[int]:
        """Return the indices of so many passages, of copies one, in their order."""
        return PruneRule(top_k=count).choose(dict(self.usage.distinct_passages()))

    def pruned(self, maker: PromptMaker, rule: PruneRule) -> Pruned:
        """Keep the best.

        Args:
            maker: Makes the prompts of the request.
            rule: How much to keep, and whether of passages or of sentences, which takes sources
                that are sentences.
        """
        usage, request = self.usage, maker.request
        spans = (_whole_passages if rule.unit == "passage" else _sentences)(usage, rule)
        kept = tuple(
            replace(request.passages[index], text=joined(request.passages[index].text, places))
            for index, places in spans.items()
        )
        scores = dict(usage.distinct_passages())
        shown = [request.passages[index] for index in usage.kept]
        language = request.settings.language
        shorter = replace(maker, request=replace(request, passages=kept))
        after = shorter.make(range(len(kept)))
        return Pruned(
            kept,
            tuple(spans),
            tuple(scores[index] for index in spans),
            tuple(tuple(places) for places in spans.values()),
            Saved(
                (len(shown), len(kept)),
                (_count_sentences(shown, language), _count_sentences(kept, language)),
                (self.prompt_tokens, len(after.ids)),
            ),
            request.question,
            self.draft,
        )


def with_unseen(ranked: Sequence[tuple[int, float]], count: int) -> list[tuple[int, float]]:
    """Return an order of all passages: those that the model did not see come last.

    They score 0, or what the last of the others does where that is less: never above these.

    Args:
        ranked: Index and score of each passage that the model saw, best first.
        count: How many passages there are.
    """
    seen = {index for index, _ in ranked}
    least = min([0.0, *(score for _, score in ranked)])
    return [*ranked, *((index, least) for index in range(count) if index not in seen)]


def _whole_passages(usage: Usage, rule: PruneRule) -> dict[int, list[Span]]:
    """Return, for each passage to keep, all of its characters."""
    kept = rule.choose(dict(usage.distinct_passages()))
    return {index: [(0, len(usage.documents[index].text))] for index in kept}


def _sentences(usage: Usage, rule: PruneRule) -> dict[int, list[Span]]:
    """Return, for each passage to keep, the characters of its sentences to keep.

    White space before its first sentence and behind its last comes with these.
    """
    owners = [source.passage_index for source in usage.sources]
    spans: dict[int, list[Span]] = {}
    for index in rule.choose(dict(usage.distinct_sources())):
        source, owner = usage.sources[index], owners[index]
        start = source.start if owner in owners[:index] else 0
        is_last = owner not in owners[index + 1 :]
        end = len(usage.documents[owner].text) if is_last else source.end
        spans.setdefault(owner, []).append((start, end))
    return spans


def _count_sentences(passages: Sequence[Passage], language: str) -> int:
    return sum(len(sentence_spans(passage.text, language)) for passage in passages)
