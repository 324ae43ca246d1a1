"""Asks the model to cite, and holds what it writes against what leaving passages out does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

import torch
from at2_rag.ablation.task import AttributionTask
from at2_rag.errors import ContextOverflowError
from at2_rag.reader import Reader

from at2_rag_experiments.base import Experiment, Record, Report
from at2_rag_experiments.faithfulness.effects import falls
from at2_rag_experiments.gold_question import GoldQuestion
from at2_rag_experiments.prompted.marks import (
    CITE_AS_NUMBERS,
    by_statement,
    numbered,
    without_marks,
)
from at2_rag_experiments.prompted.report import draw, tables
from at2_rag_experiments.prompted.results import summarize
from at2_rag_experiments.shown_questions import ShownQuestionsConfig, nothing_measured


@dataclass(frozen=True)
class PromptedCitationsConfig(ShownQuestionsConfig):
    """What the experiment can be told: which questions, and how much of them is shown."""


@dataclass(frozen=True)
class PromptedCitations(Experiment[GoldQuestion, Reader]):
    """Compares passages that a model cites because it is asked to with those that ours cites.

    The answer is the one that the model gives when it is asked to cite; without its marks, it is
    read and cited as any other answer that was given from outside.
    """

    name = "prompted-citations"
    config: PromptedCitationsConfig = PromptedCitationsConfig()

    def items(self) -> Sequence[GoldQuestion]:
        """Return the questions."""
        return self.config.questions()

    def measure(self, subject: Reader, item: GoldQuestion) -> Record:
        """Return what both cite for each statement, and what leaving each passage out does.

        Raises:
            NumericalError: If the model produced NaN.
        """
        kept = self.config.shown(item)
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
            raise nothing_measured(len(records))
        return Report(asdict(found), tables(found), partial(draw, found), (8.0, 3.6))


def _falls_by_passage(task: AttributionTask, passages: int) -> torch.Tensor:
    """Return (targets, passages): falls of log-probability without each passage, in nats."""
    owner = torch.tensor([source.passage_index for source in task.answer.attribution.sources])
    without = owner[None] != torch.arange(passages)[:, None]
    masks = torch.cat([torch.ones_like(without[:1]), without])
    return falls(task, masks)[:, 1:]
