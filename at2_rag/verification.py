"""Proof by ablation: how much less likely a statement is without the sources it cites."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from at2_rag.citations import Statement
from at2_rag.errors import InputError
from at2_rag.task import AttributionTask

_LARGEST_EXPONENT = 700.0  # a double holds no more


@dataclass(frozen=True)
class Evidence:
    """What leaving out some sources does to a statement.

    Attributes:
        numbers: Numbers of the citations left out together.
        drop: Log-probability of the statement with all sources less that without these, in nats;
            negative if the statement becomes more likely.
    """

    numbers: tuple[int, ...]
    drop: float

    @property
    def factor(self) -> float:
        """How many times less likely the statement is without the sources."""
        return math.exp(min(self.drop, _LARGEST_EXPONENT))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"numbers": list(self.numbers), "drop": self.drop, "factor": self.factor}

    def __str__(self) -> str:
        marks = "".join(f"[{number}]" for number in self.numbers)
        if self.drop >= 0:
            return f"{_in_words(self.factor)} times less likely without {marks}"
        return f"{_in_words(1 / self.factor)} times more likely without {marks}"


def _in_words(factor: float) -> str:
    """Return three digits of a factor, written out unless it is astronomical."""
    rounded = float(f"{factor:.3g}")
    return f"{rounded:,.0f}" if 100 <= rounded < 1e12 else f"{rounded:.3g}"


@dataclass(frozen=True)
class VerifiedStatement:
    """A statement and the evidence for its citations.

    Attributes:
        statement: The statement.
        together: All its cited sources left out at once; ``None`` if it cites none.
        alone: Each of them left out alone, in the order of the citations.
    """

    statement: Statement
    together: Evidence | None
    alone: tuple[Evidence, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "start": self.statement.start,
            "end": self.statement.end,
            "together": None if self.together is None else self.together.to_dict(),
            "alone": [evidence.to_dict() for evidence in self.alone],
        }

    def __str__(self) -> str:
        if self.together is None:
            return f"{self.statement.text}\n  cites nothing"
        parts = [self.together, *(self.alone if len(self.alone) > 1 else ())]
        return "\n  ".join([self.statement.text, *map(str, parts)])


@dataclass(frozen=True)
class Verification:
    """The evidence for every statement of an answer, in order."""

    statements: tuple[VerifiedStatement, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types: for each statement, its drops in nats and their factors."""
        return {"statements": [statement.to_dict() for statement in self.statements]}

    def __str__(self) -> str:
        return "\n".join(map(str, self.statements))


def verify(task: AttributionTask, statements: tuple[Statement, ...]) -> Verification:
    """Ablate the cited sources of each statement, all at once and each alone, in one batch.

    Args:
        task: The answer, read by the model, with the sources that the citations point to.
        statements: Its statements with their citations.

    Raises:
        InputError: If a citation points to no source of the task.
    """
    index = {
        (s.passage_index, s.start, s.end): i for i, s in enumerate(task.answer.attribution.sources)
    }
    groups = [_groups(statement, index) for statement in statements]
    left_out = sorted({sources for group in groups for sources in group.values()})
    masks = torch.ones(1 + len(left_out), len(task.sources), dtype=torch.bool)
    for row, sources in enumerate(left_out, start=1):
        masks[row, list(sources)] = False
    effects = task.ablator().ablate(masks)
    row_of = {sources: row for row, sources in enumerate(left_out, start=1)}

    def evidence(target: int, numbers: tuple[int, ...], sources: tuple[int, ...]) -> Evidence:
        log_p = effects.log_probability(*task.targets[target])
        return Evidence(numbers, float(log_p[0] - log_p[row_of[sources]]))

    verified = []
    for target, (statement, group) in enumerate(zip(statements, groups, strict=True)):
        found = {numbers: evidence(target, numbers, sources) for numbers, sources in group.items()}
        numbers = tuple(citation.number for citation in statement.citations)
        alone = tuple(found[(number,)] for number in numbers)
        verified.append(VerifiedStatement(statement, found.get(tuple(sorted(numbers))), alone))
    return Verification(tuple(verified))


def _groups(
    statement: Statement, index: Mapping[tuple[int, int, int], int]
) -> dict[tuple[int, ...], tuple[int, ...]]:
    """Return the sources to leave out, by the numbers of their citations."""
    sources: dict[int, int] = {}
    for citation in statement.citations:
        place = (citation.passage_index, citation.source_start, citation.source_end)
        if place not in index:
            raise InputError(
                f"Citation [{citation.number}] is characters {place[1]} to {place[2]} of passage "
                f"{place[0]}, which is no source here; expected the source_unit, language and "
                "prompt that the answer was made with. Pass the same options."
            )
        sources[citation.number] = index[place]
    groups: dict[tuple[int, ...], tuple[int, ...]] = {
        (number,): (source,) for number, source in sources.items()
    }
    if sources:
        numbers = tuple(sorted(sources))
        groups[numbers] = tuple(sorted(sources[number] for number in numbers))
    return groups
