"""Asks the model to cite, and holds what it writes against what leaving passages out does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

import torch
from at2_rag.ablation.task import AttributionTask
from at2_rag.errors import ContextOverflowError, InputError
from at2_rag.reader import Reader

from at2_rag_experiments.base import Experiment, ExperimentConfig, Record, Report
from at2_rag_experiments.faithfulness.experiment import kept_passages, some_questions
from at2_rag_experiments.gold_question import GoldQuestion
from at2_rag_experiments.prompted.marks import (
    CITE_AS_NUMBERS,
    by_statement,
    numbered,
    without_marks,
)
from at2_rag_experiments.prompted.report import draw, tables
from at2_rag_experiments.prompted.results import summarize


@dataclass(frozen=True)
class PromptedCitationsConfig(ExperimentConfig):
    """What the experiment can be told.

    Attributes:
        first: How many questions of the data are passed over.
        passages: Most passages of a question: those with gold spans, and the first others, in
            their order; 0 for all.
    """

    first: int = 0
    passages: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_least(first=0, passages=0)


@dataclass(frozen=True)
class PromptedCitations(Experiment[GoldQuestion, Reader]):
    """Compares passages that a model cites because it is asked to with those that ours cites.

    The answer is the one that the model gives when it is asked to cite; without its marks, it is
    read and cited as any other answer that was given from outside.
    """

    name = "prompted-citations"
    config: PromptedCitationsConfig = PromptedCitationsConfig()

    def items(self) -> Sequence[GoldQuestion]:
        """Return the questions; those of a file in its order.

        Raises:
            InputError: If there is no such data.
            FileFormatError: If a file cannot be read or a row is bad; with its place.
        """
        return some_questions(self.config.data, self.config.first, self.config.examples)

    def measure(self, subject: Reader, item: GoldQuestion) -> Record:
        """Return what both cite for each statement, and what leaving each passage out does.

        Raises:
            NumericalError: If the model produced NaN.
        """
        kept = kept_passages(item, self.config.passages)
        passages = [item.passages[index] for index in kept]
        tokens = self.config.max_new_tokens
        try:
            asked = subject.answer(
                item.question, numbered(passages), prompt=CITE_AS_NUMBERS, max_new_tokens=tokens
            )
            text, marks = without_marks(asked.text)
            if not text:
                return {"text": asked.text}
            task = subject.task(item.question, passages, text)
        except ContextOverflowError as error:
            return {"too_long_by": error.excess}
        if not (task.targets and task.sources):
            return {"text": asked.text}
        spans = [(s.start, s.end) for s in task.answer.statements]
        return {
            "text": asked.text,
            "passages": len(passages),
            "gold": [index in item.supporting for index in kept],
            "marked": by_statement(marks, spans),
            "cited": [
                sorted({c.passage_index for c in statement.citations})
                for statement in task.answer.statements
            ],
            "alone": _falls_by_passage(task, len(passages)).tolist(),
        }

    def report(self, records: Sequence[Record]) -> Report:
        """Return tables, figure and results.

        Raises:
            InputError: If no question could be measured.
        """
        found = summarize(records)
        if found is None:
            raise InputError(
                f"None of the {len(records)} questions fits the model's context and was answered "
                "with a statement; expected at least one. Use another model, or fewer passages."
            )
        return Report(asdict(found), tables(found), partial(draw, found), (8.0, 3.6))


def _falls_by_passage(task: AttributionTask, passages: int) -> torch.Tensor:
    """Return (targets, passages): falls of log-probability without each passage, in nats."""
    owner = torch.tensor([source.passage_index for source in task.answer.attribution.sources])
    without = owner[None] != torch.arange(passages)[:, None]
    masks = torch.cat([torch.ones_like(without[:1]), without])
    effects = task.ablator().ablate(masks)
    log_p = torch.stack([effects.log_probability(*target) for target in task.targets])
    return log_p[:, :1] - log_p[:, 1:]
