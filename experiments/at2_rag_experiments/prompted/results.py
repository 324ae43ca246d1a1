"""How citations that were asked for compare with ours, by passage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from at2_rag.evaluation.results import Estimate
from at2_rag.evaluation.statistics import DEPENDENT_SPREAD

from at2_rag_experiments.base import Record
from at2_rag_experiments.estimates import mean_over


@dataclass(frozen=True)
class CitedBy:
    """Citations of one kind, by passage.

    Attributes:
        name: What cited: the model in its answer, or the reader's scores.
        citations: How many passages are cited, each once for a statement.
        cites: Share of statements that cite a passage.
        precision: Share of citations whose passage, left out, makes the statement half as likely or
            less.
        recall: Share of passages with that effect that are cited.
        in_gold: Share of citations whose passage holds evidence that the data mark.
    """

    name: str
    citations: int
    cites: Estimate
    precision: Estimate
    recall: Estimate
    in_gold: Estimate


@dataclass(frozen=True)
class PromptedResults:
    """Everything that the experiment found.

    Attributes:
        questions: How many questions were measured.
        left_out: How many questions have no statement, or do not fit the model's context.
        statements: How many statements the answers have.
        marks: How many numbers the model wrote, repetitions counted.
        impossible: How many of these numbers name a passage that is not there.
        kinds: Citations by the model and by the reader.
    """

    questions: int
    left_out: int
    statements: int
    marks: int
    impossible: int
    kinds: tuple[CitedBy, ...]


def summarize(records: Sequence[Record]) -> PromptedResults | None:
    """Summarise the records of all questions; ``None`` if there is not one statement."""
    read = [record for record in records if "alone" in record]
    if not read:
        return None
    numbers = [(n, r["passages"]) for r in read for marks in r["marked"] for n in marks]
    asked = [[_named(marks, r["passages"]) for marks in r["marked"]] for r in read]
    return PromptedResults(
        len(read),
        len(records) - len(read),
        sum(len(record["marked"]) for record in read),
        len(numbers),
        sum(not 1 <= number <= most for number, most in numbers),
        (
            _cited_by("asked for in the prompt", read, asked),
            _cited_by("by the reader's scores", read, [record["cited"] for record in read]),
        ),
    )


def _named(marks: Sequence[int], passages: int) -> list[int]:
    """Return the indices of the passages that marks name, each once."""
    return sorted({number - 1 for number in marks if 1 <= number <= passages})


def _cited_by(name: str, records: Sequence[Record], cited: Sequence[list[list[int]]]) -> CitedBy:
    every = [
        (index, set(passages), falls, record["gold"])
        for index, (record, found) in enumerate(zip(records, cited, strict=True))
        for passages, falls in zip(found, record["alone"], strict=True)
    ]
    pairs = [(i, falls[p], gold[p]) for i, passages, falls, gold in every for p in passages]
    return CitedBy(
        name,
        len(pairs),
        mean_over((index, bool(passages)) for index, passages, _, _ in every),
        mean_over((index, fall >= DEPENDENT_SPREAD) for index, fall, _ in pairs),
        mean_over(
            (index, passage in passages)
            for index, passages, falls, _ in every
            for passage, fall in enumerate(falls)
            if fall >= DEPENDENT_SPREAD
        ),
        mean_over((index, gold) for index, _, gold in pairs),
    )
