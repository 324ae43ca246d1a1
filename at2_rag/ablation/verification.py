"""Proof by ablation: how much less likely a statement is without the sources it cites."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from at2_rag.ablation.task import AblationKind, AttributionTask
from at2_rag.answer.in_short import counted
from at2_rag.answer.likelihood import likelihood_in_words
from at2_rag.answer.statement import Citation, Statement
from at2_rag.errors import InputError
from at2_rag.spans import Span

#: Which of a task's regions are left out together, in ascending order.
_LeftOut = tuple[int, ...]

_LARGEST_EXPONENT = 700.0  # a double holds no more


@dataclass(frozen=True)
class Evidence:
    """What leaving out some sources does to a statement.

    Attributes:
        numbers: Numbers of the citations left out together.
        drop: Log-probability of the statement with all sources less that without those left out, in
            nats; negative if the statement becomes more likely.
    """

    numbers: tuple[int, ...]
    drop: float

    @property
    def factor(self) -> float:
        """How many times less likely the statement is without the sources."""
        return math.exp(min(self.drop, _LARGEST_EXPONENT))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "numbers": list(self.numbers),
            "drop": self.drop,
            "factor": self.factor,
            "words": str(self),
        }

    def __str__(self) -> str:
        marks = "".join(f"[{number}]" for number in self.numbers)
        return f"{likelihood_in_words(self.drop)} without {marks}"


@dataclass(frozen=True)
class VerifiedStatement:
    """A statement and the evidence for its citations.

    Attributes:
        statement: The statement whose citations are put to the test.
        together: What leaving out all of the statement's cited sources at once does; ``None`` if it
            cites none.
        alone: What leaving out each cited source alone does, in the order of the citations.
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


@dataclass(frozen=True, repr=False)
class Verification:
    """The evidence for every statement of an answer, in order."""

    statements: tuple[VerifiedStatement, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types: for each statement, its drops in nats and their factors."""
        return {"statements": [statement.to_dict() for statement in self.statements]}

    def __repr__(self) -> str:
        drops = [each.together.drop for each in self.statements if each.together is not None]
        ends = [likelihood_in_words(drop) for drop in (min(drops), max(drops))] if drops else []
        found = f": {' to '.join(dict.fromkeys(ends))} without what they cite" if ends else ""
        whole = counted(len(self.statements), "statement")
        return f"<Verification of {whole}, {len(drops)} with citations{found}>"

    def __str__(self) -> str:
        return "\n".join(map(str, self.statements))


def verify(
    task: AttributionTask, statements: tuple[Statement, ...], by: AblationKind = "attention"
) -> Verification:
    """Ablate the cited sources of each statement, all at once and each alone, in one batch.

    A source is left out together with its copies, which say the same. For an inherited citation,
    the thoughts and earlier statements of the answer that cite the same source are masked with it:
    they repeat what it says.

    Args:
        task: The answer, read by the model, with the sources that the citations point to.
        statements: The answer's statements with their citations.
        by: Whether sources are masked out of attention, or their text removed from the prompt.

    Raises:
        InputError: If a citation points to no source of the task.
    """
    if not statements:  # as of a model that was cut off in its thoughts
        return Verification(())
    groups = _Groups.of(task, statements)
    found = [groups.of_statement(target) for target in range(len(statements))]
    left_out = sorted({out for group in found for out in group.values()})
    log_p = _log_probabilities(task, left_out, by)
    row_of = {out: row for row, out in enumerate(left_out, start=1)}

    def evidence(target: int, numbers: tuple[int, ...], out: _LeftOut) -> Evidence:
        return Evidence(numbers, float(log_p[target, 0] - log_p[target, row_of[out]]))

    verified = []
    for target, (statement, group) in enumerate(zip(statements, found, strict=True)):
        shown = {numbers: evidence(target, numbers, out) for numbers, out in group.items()}
        numbers = tuple(citation.number for citation in statement.citations)
        alone = tuple(shown[(number,)] for number in numbers)
        verified.append(VerifiedStatement(statement, shown.get(tuple(sorted(numbers))), alone))
    return Verification(tuple(verified))


def _log_probabilities(
    task: AttributionTask, left_out: Sequence[_LeftOut], by: AblationKind
) -> Tensor:
    """Return (targets, 1 + left out): log-probabilities with nothing left out, and with each."""
    regions = task.regions
    masks = torch.ones(1 + len(left_out), len(regions), dtype=torch.bool)
    for row, out in enumerate(left_out, start=1):
        masks[row, list(out)] = False
    if by == "attention" or by == "knockout":
        said = regions["thoughts"], regions["targets"]
        effects = task.ablator_with([*chain(*said)], by=by).ablate(masks)
    else:
        # The answer is given; its own words cannot be removed from it, but thoughts can.
        kept = masks[:, regions.places["sources"]]
        for column, place in zip(regions.indices("thoughts"), task.thoughts, strict=True):
            kept[:, _within(task.sources, place)] &= masks[:, column, None]
        effects = task.ablator(by=by).ablate(kept)
    return effects.log_probabilities(task.targets)


def _within(sources: Sequence[Span], place: Span) -> list[int]:
    """Return which sources lie within a range of tokens."""
    return [i for i, (start, end) in enumerate(sources) if place[0] <= start and end <= place[1]]


@dataclass(frozen=True)
class _Groups:
    """What is left out of the statements' contexts.

    Attributes:
        sources: Which region each source is, by its place in the passages.
        sentences: The thoughts' statements and the answer's, in the order of their regions.
        regions: Which region each of ``sentences`` is.
        first: Which of ``sentences`` is the answer's first statement.
    """

    sources: Mapping[tuple[int, int, int], int]
    sentences: tuple[Statement, ...]
    regions: tuple[int, ...]
    first: int

    @classmethod
    def of(cls, task: AttributionTask, statements: Sequence[Statement]) -> _Groups:
        regions, answer = task.regions, task.answer
        thoughts = () if answer.thoughts is None else answer.thoughts.statements
        return cls(
            {
                source.place: region
                for region, source in zip(
                    regions.indices("sources"), answer.attribution.sources, strict=True
                )
            },
            (*thoughts, *statements),
            (*regions.indices("thoughts"), *regions.indices("targets")),
            len(thoughts),
        )

    def of_statement(self, target: int) -> dict[tuple[int, ...], _LeftOut]:
        """Return what to leave out of one statement's context, by the numbers of its citations.

        An inherited citation came through thoughts or earlier statements, which repeat what its
        source says: the source is left out together with those of them that cite it.

        Args:
            target: Index of the statement among the answer's.

        Raises:
            InputError: If a citation points to no source of the task.
        """
        place = self.first + target
        groups: dict[tuple[int, ...], _LeftOut] = {
            (citation.number,): tuple(sorted(self._left_out(citation, place)))
            for citation in self.sentences[place].citations
        }
        if groups:
            together = tuple(sorted(number for numbers in groups for number in numbers))
            groups[together] = tuple(sorted({one for group in groups.values() for one in group}))
        return groups

    def _left_out(self, citation: Citation, place: int) -> Iterator[int]:
        yield self._source(citation.place, citation.number)
        for copy in citation.also_in:
            yield self._source(copy.place, citation.number)
        if citation.inherited:
            for earlier, region in zip(self.sentences[:place], self.regions, strict=False):
                if any(c.number == citation.number for c in earlier.citations):
                    yield region

    def _source(self, place: tuple[int, int, int], number: int) -> int:
        if place not in self.sources:
            raise InputError(
                f"Citation [{number}] is characters {place[1]} to {place[2]} of passage "
                f"{place[0]}, which is no source of this task; expected a task with the settings "
                "that the answer was made with."
            )
        return self.sources[place]
