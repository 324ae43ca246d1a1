"""What the sampling experiment found: by temperature, by how likely the draw was, and instead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from at2_rag.evaluation.results import Estimate
from at2_rag.evaluation.statistics import DEPENDENT_SPREAD

from at2_rag_experiments.base import Record
from at2_rag_experiments.estimates import mean_over

#: A token this much less likely than the likeliest, in nats, is as likely: logits of a single pass
#: and of a generation, step by step, differ by rounding.
MOST_LIKELY = 1e-3

#: Kinds of statements, by the largest gap between a token drawn and the likeliest, in nats.
DRAWS = {
    "most likely": (0.0, MOST_LIKELY),
    "less likely": (MOST_LIKELY, math.log(10.0)),
    "unlikely": (math.log(10.0), math.inf),
}


@dataclass(frozen=True)
class Faithfulness:
    """One method on some statements.

    Attributes:
        lds: Linear datamodeling score on all statements.
        lds_dependent: Linear datamodeling score on those that depend on a source.
        drops: Top-k drop on all statements for each k, in nats.
        drops_dependent: Top-k drop on those that depend on a source.
    """

    lds: Estimate
    lds_dependent: Estimate
    drops: dict[int, Estimate]
    drops_dependent: dict[int, Estimate]


@dataclass(frozen=True)
class Part:
    """Statements of one temperature, of one kind of draws, or of both.

    Attributes:
        temperature: Temperature of the draws, 0 for greedy answers; ``None`` for all that were
            drawn.
        draws: Kind of the draws, one of :data:`DRAWS`; ``None`` for all.
        statements: How many statements there are.
        dependent: How many statements depend on a source.
        as_greedy: Share of answers that are the greedy one, word by word.
        methods: How good each method is, by name.
    """

    temperature: float | None
    draws: str | None
    statements: int
    dependent: int
    as_greedy: Estimate
    methods: dict[str, Faithfulness]


@dataclass(frozen=True)
class Instead:
    """Tokens drawn though another was likelier, which depends on another source.

    Attributes:
        tokens: How many such tokens there are; one of a statement at most, its least likely.
        own: How many of the tokens drawn depend on a source themselves.
        effect: What leaving out the likelier token's source does to the one drawn, in nats;
            negative where it becomes more likely.
        likelier: For each method, how often it scores the likelier token's source highest for the
            token drawn.
        right: For each method, how often it scores the source highest that the token drawn depends
            on, where there is one.
        control: For each method, how often it scores the right source highest for the likelier
            token, had that been said.
    """

    tokens: int
    own: int
    effect: Estimate
    likelier: dict[str, Estimate]
    right: dict[str, Estimate]
    control: dict[str, Estimate]


@dataclass(frozen=True)
class SamplingResults:
    """Everything that the experiment found.

    Attributes:
        examples: How many examples have an answer.
        too_long: How many examples do not fit the model's context.
        parts: All draws of each temperature; then each kind of draws at each temperature, and at
            all above 0.
        instead: What was found on tokens that were not the likeliest.
    """

    examples: int
    too_long: int
    parts: tuple[Part, ...]
    instead: Instead

    def part(self, temperature: float | None, draws: str | None = None) -> Part | None:
        """Return a part, if there are such statements."""
        asked = (p for p in self.parts if (p.temperature, p.draws) == (temperature, draws))
        return next(asked, None)


@dataclass(frozen=True)
class _Answer:
    example: int
    temperature: float
    as_greedy: bool
    statements: Sequence[Record]


def summarize(records: Sequence[Record], ks: Sequence[int]) -> SamplingResults | None:
    """Summarise the records of all examples; ``None`` if there is not one statement.

    Args:
        records: Records of :class:`~at2_rag_experiments.sampling.experiment.Sampling`.
        ks: Numbers of sources that their top-k drops leave out.
    """
    measured = [record for record in records if "answers" in record]
    answers = [answer for index, found in enumerate(measured) for answer in _answers(index, found)]
    if not any(answer.statements for answer in answers):
        return None
    temperatures = sorted({answer.temperature for answer in answers})
    drawn = [t for t in temperatures if t]
    asked: list[tuple[float | None, str | None]] = [(t, None) for t in temperatures]
    asked += [(t, draws) for t in (None, *drawn) for draws in DRAWS]
    parts = [_part(answers, temperature, draws, ks) for temperature, draws in asked]
    return SamplingResults(
        len(measured),
        len(records) - len(measured),
        tuple(part for part in parts if part.statements),
        _instead(answers),
    )


def _answers(index: int, record: Record) -> list[_Answer]:
    greedy = record["answers"][0]["text"]
    return [
        _Answer(index, found["temperature"], found["text"] == greedy, found["statements"])
        for found in record["answers"]
    ]


def _part(
    answers: Sequence[_Answer], temperature: float | None, draws: str | None, ks: Sequence[int]
) -> Part:
    of = [a for a in answers if (a.temperature if temperature is None else _is(a, temperature))]
    low, high = DRAWS.get(draws or "", (0.0, math.inf))
    pairs = [(a.example, s) for a in of for s in a.statements if low <= s["gap"] < high]
    methods = list(pairs[0][1]["methods"]) if pairs else []
    return Part(
        temperature,
        draws,
        len(pairs),
        sum(statement["dependent"] for _, statement in pairs),
        mean_over((a.example, a.as_greedy) for a in of),
        {name: _faithfulness(pairs, name, ks) for name in methods},
    )


def _is(answer: _Answer, temperature: float) -> bool:
    return answer.temperature == temperature


def _faithfulness(
    pairs: Sequence[tuple[int, Record]], method: str, ks: Sequence[int]
) -> Faithfulness:
    depending = [pair for pair in pairs if pair[1]["dependent"]]

    def lds(of: Sequence[tuple[int, Record]]) -> Estimate:
        return mean_over((e, s["methods"][method]["lds"]) for e, s in of)

    def drops(of: Sequence[tuple[int, Record]]) -> dict[int, Estimate]:
        found = [(e, s["methods"][method]["drops"]) for e, s in of]
        return {k: mean_over((e, drop[i]) for e, drop in found) for i, k in enumerate(ks)}

    return Faithfulness(lds(pairs), lds(depending), drops(pairs), drops(depending))


def _instead(answers: Sequence[_Answer]) -> Instead:
    found: list[tuple[int, Any]] = []
    seen = set()
    for answer in answers:
        for place, statement in enumerate(answer.statements):
            other = statement["alternative"]
            # The same answer may have been drawn at several temperatures.
            key = answer.example, place, str(other)
            if other is None or key in seen or not _disagree(other):
                continue
            seen.add(key)
            found.append((answer.example, other))
    own = [(example, other) for example, other in found if _depends(other["drawn"])]
    methods = list(found[0][1]["first"]) if found else []

    def share(of: Sequence[tuple[int, Any]], method: str, token: int, source: str) -> Estimate:
        return mean_over((e, o["first"][method][token] == o[source][0]) for e, o in of)

    return Instead(
        len(found),
        len(own),
        mean_over((example, other["across"]) for example, other in found),
        {method: share(found, method, 0, "likeliest") for method in methods},
        {method: share(own, method, 0, "drawn") for method in methods},
        {method: share(found, method, 1, "likeliest") for method in methods},
    )


def _disagree(other: Record) -> bool:
    """Return whether the likelier token depends on a source, and the one drawn on another."""
    return _depends(other["likeliest"]) and (
        other["drawn"][0] != other["likeliest"][0] or not _depends(other["drawn"])
    )


def _depends(found: Sequence[float]) -> bool:
    return found[1] >= DEPENDENT_SPREAD
