"""How well scores and verdicts tell supported answers from others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from at2_rag.evaluation.abstention import Separation
from at2_rag.evaluation.results import Estimate

from at2_rag_experiments.base import Record
from at2_rag_experiments.estimates import mean_of
from at2_rag_experiments.support.given import COMPARED_WITH, KINDS, RIGHT


@dataclass(frozen=True)
class KindFound:
    """Verdicts on answers of one kind.

    Attributes:
        kind: What was done to the answer or its passages.
        answers: How many answers were read.
        supported: Share of answers with all statements supported.
        cited: Share of answers with a citation.
        ungrounded: Share of answers with an ungrounded word.
        balanced: Balanced accuracy of the verdict, of right answers (quotations, where these were
            made of one) against these; ``None`` for what is right itself.
    """

    kind: str
    answers: int
    supported: Estimate
    cited: Estimate
    ungrounded: Estimate
    balanced: float | None


@dataclass(frozen=True)
class MethodSeparation:
    """How well a method's highest score tells right answers from the others.

    Attributes:
        method: Name of the method.
        from_kind: By kind of the others, how often a right answer's score is the higher, or a
            quotation's where the others were made of one.
    """

    method: str
    from_kind: dict[str, Separation]


@dataclass(frozen=True)
class SupportResults:
    """Everything that the experiment found.

    Attributes:
        questions: How many questions were measured.
        left_out: How many questions do not fit the model's context, or have no statement.
        estimator: Kind of the reader's estimator.
        tokens: Tokens of prompt and right answer, in the mean.
        kinds: Verdicts by kind of answer, right ones first.
        methods: Highest scores, by method.
    """

    questions: int
    left_out: int
    estimator: str
    tokens: float
    kinds: tuple[KindFound, ...]
    methods: tuple[MethodSeparation, ...]


def summarize(records: Sequence[Record]) -> SupportResults | None:
    """Summarise the records of all questions; ``None`` if no right answer was read."""
    read = [r["answers"] for r in records if RIGHT in r.get("answers", ())]
    if not read:
        return None
    by_kind = {kind: found for kind in KINDS if (found := [r[kind] for r in read if kind in r])}
    right = by_kind[RIGHT]
    return SupportResults(
        len(read),
        len(records) - len(read),
        right[0]["estimator"],
        sum(answer["tokens"] for answer in right) / len(right),
        tuple(
            _kind_found(kind, answers, by_kind[_right_of(kind)])
            for kind, answers in by_kind.items()
        ),
        tuple(
            MethodSeparation(
                method,
                {
                    kind: Separation.of(
                        _lowest(by_kind[_right_of(kind)], method), _lowest(answers, method)
                    )
                    for kind, answers in by_kind.items()
                    if not _is_right(kind)
                },
            )
            for method in right[0]["highest"]
        ),
    )


def _right_of(kind: str) -> str:
    """Return the kind of right answers that a kind is compared with; of these, themselves."""
    return kind if _is_right(kind) else COMPARED_WITH.get(kind, RIGHT)


def _is_right(kind: str) -> bool:
    return kind == RIGHT or kind in COMPARED_WITH.values()


def _kind_found(kind: str, answers: Sequence[Record], right: Sequence[Record]) -> KindFound:
    supported = mean_of(_all_supported(answer) for answer in answers)
    hits = mean_of(_all_supported(answer) for answer in right).mean
    balanced = None
    if not _is_right(kind) and hits is not None and supported.mean is not None:
        balanced = (hits + 1 - supported.mean) / 2
    return KindFound(
        kind,
        len(answers),
        supported,
        mean_of(any(answer["cited"]) for answer in answers),
        mean_of(any(answer["ungrounded"]) for answer in answers),
        balanced,
    )


def _all_supported(answer: Record) -> bool:
    """Return whether all statements are supported; one that nobody can judge is not."""
    return all(verdict is True for verdict in answer["supported"])


def _lowest(answers: Sequence[dict[str, Any]], method: str) -> list[float]:
    """Return the highest score of each answer's worst statement."""
    return [min(answer["highest"][method]) for answer in answers]
