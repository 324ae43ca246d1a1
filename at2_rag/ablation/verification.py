"""Proof by ablation: how much less likely a statement is without the sources it cites."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from at2_rag.ablation.task import AblationKind, AttributionTask
from at2_rag.answer.statement import Citation, Statement
from at2_rag.errors import InputError
from at2_rag.spans import Span

#: Sources, and earlier statements (those of the thoughts first), that are left out together.
_LeftOut = tuple[tuple[int, ...], tuple[int, ...]]

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
        less, more = _in_words(self.factor), _in_words(1 / self.factor)
        if "1" in (less, more):
            return f"as likely without {marks}"
        if self.drop >= 0:
            return f"{less} times less likely without {marks}"
        return f"{more} times more likely without {marks}"


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


def verify(
    task: AttributionTask, statements: tuple[Statement, ...], by: AblationKind = "attention"
) -> Verification:
    """Ablate the cited sources of each statement, all at once and each alone, in one batch.

    For an inherited citation, the thoughts and earlier statements of the answer that cite the same
    source are masked with it: they repeat what it says.

    Args:
        task: The answer, read by the model, with the sources that the citations point to.
        statements: Its statements with their citations.
        by: Whether sources are masked out of attention, or their text removed from the prompt.

    Raises:
        InputError: If a citation points to no source of the task.
    """
    if not statements:  # as of a model that was cut off in its thoughts
        return Verification(())
    index = {
        (s.passage_index, s.start, s.end): i for i, s in enumerate(task.answer.attribution.sources)
    }
    thoughts = () if task.answer.thoughts is None else task.answer.thoughts.statements
    groups = [_groups(thoughts, statements, target, index) for target in range(len(statements))]
    left_out = sorted({out for group in groups for out in group.values()})
    log_p = _log_probabilities(task, left_out, by)
    row_of = {out: row for row, out in enumerate(left_out, start=1)}

    def evidence(target: int, numbers: tuple[int, ...], out: _LeftOut) -> Evidence:
        return Evidence(numbers, float(log_p[target, 0] - log_p[target, row_of[out]]))

    verified = []
    for target, (statement, group) in enumerate(zip(statements, groups, strict=True)):
        found = {numbers: evidence(target, numbers, out) for numbers, out in group.items()}
        numbers = tuple(citation.number for citation in statement.citations)
        alone = tuple(found[(number,)] for number in numbers)
        verified.append(VerifiedStatement(statement, found.get(tuple(sorted(numbers))), alone))
    return Verification(tuple(verified))


def _log_probabilities(
    task: AttributionTask, left_out: Sequence[_LeftOut], by: AblationKind
) -> Tensor:
    """Return (targets, 1 + left out): log-probabilities with nothing left out, and with each."""
    count, said = len(task.sources), (*task.thoughts, *task.said)
    masks = torch.ones(1 + len(left_out), count + len(said), dtype=torch.bool)
    for row, (sources, earlier) in enumerate(left_out, start=1):
        masks[row, [*sources, *(count + statement for statement in earlier)]] = False
    if by == "attention":
        effects = task.ablator_with(said).ablate(masks)
    else:
        # The answer is given; its own words cannot be removed from it, but thoughts can.
        kept = masks[:, :count]
        for thought, place in enumerate(task.thoughts):
            kept[:, _within(task.sources, place)] &= masks[:, count + thought, None]
        effects = task.ablator(by=by).ablate(kept)
    return torch.stack([effects.log_probability(*target) for target in task.targets])


def _within(sources: Sequence[Span], place: Span) -> list[int]:
    """Return which sources lie within a range of tokens."""
    return [i for i, (start, end) in enumerate(sources) if place[0] <= start and end <= place[1]]


def _groups(
    thoughts: Sequence[Statement],
    statements: Sequence[Statement],
    target: int,
    index: Mapping[tuple[int, int, int], int],
) -> dict[tuple[int, ...], _LeftOut]:
    """Return what to leave out of one statement's context, by the numbers of its citations.

    An inherited citation came through thoughts or earlier statements, which repeat what its source
    says: the source is left out together with those of them that cite it.
    """
    groups: dict[tuple[int, ...], _LeftOut] = {}
    before = (*thoughts, *statements[:target])
    for citation in statements[target].citations:
        source = _source_of(citation, index)
        earlier = _citing(before, citation.number) if citation.inherited else ()
        groups[(citation.number,)] = ((source,), earlier)
    if groups:
        together = tuple(sorted(number for (number,) in groups))
        groups[together] = (
            tuple(sorted({source for sources, _ in groups.values() for source in sources})),
            tuple(sorted({statement for _, earlier in groups.values() for statement in earlier})),
        )
    return groups


def _citing(statements: Sequence[Statement], number: int) -> tuple[int, ...]:
    return tuple(
        i for i, s in enumerate(statements) if any(c.number == number for c in s.citations)
    )


def _source_of(citation: Citation, index: Mapping[tuple[int, int, int], int]) -> int:
    place = citation.place
    if place not in index:
        raise InputError(
            f"Citation [{citation.number}] is characters {place[1]} to {place[2]} of passage "
            f"{place[0]}, which is no source here; expected the source_unit, language and "
            "prompt that the answer was made with. Pass the same options."
        )
    return index[place]
