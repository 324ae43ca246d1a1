"""Right and wrong answers, given to the model: which of them its scores call supported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

from at2_rag.ablation.groundedness import with_ungrounded_words
from at2_rag.ablation.task import AttributionTask
from at2_rag.errors import ContextOverflowError
from at2_rag.reader import Reader

from at2_rag_experiments.base import Experiment, Record, Report
from at2_rag_experiments.faithfulness.scored import method_scores
from at2_rag_experiments.shown_questions import ShownQuestionsConfig, nothing_measured
from at2_rag_experiments.support.given import AskedWith, Given, given_answers, paired
from at2_rag_experiments.support.report import draw, tables
from at2_rag_experiments.support.results import summarize

#: The reader's own estimator, what costs as little, and what people do today.
METHODS = ("average-attention", "equal-tokens", "at2", "bm25", "minilm")


@dataclass(frozen=True)
class SupportConfig(ShownQuestionsConfig):
    """What the experiment can be told.

    Attributes:
        methods: Names of the methods whose highest score is to tell right from wrong.
    """

    methods: tuple[str, ...] = METHODS


@dataclass(frozen=True)
class Support(Experiment[AskedWith, Reader]):
    """Reads answers of which it is known whether the passages say them.

    Each question is read with its right answer, with the same but without the passages that say
    it, with another question's answer, and, where it has a number, with one digit changed. Where
    the evidence is known, it is read as an answer too, as it is, with a digit changed, negated, and
    with two names exchanged. Of all, it is told whether a word is ungrounded.
    """

    name = "support"
    config: SupportConfig = SupportConfig()

    def items(self) -> Sequence[AskedWith]:
        """Return the questions, each with another one's answer."""
        return paired(self.config.questions())

    def measure(self, subject: Reader, item: AskedWith) -> Record:
        """Return, for each answer, the reader's verdicts and each method's highest scores.

        Raises:
            InputError: If there is no such method.
            NumericalError: If the model produced NaN.
        """
        shown = self.config.shown(item.question)
        try:
            read = {
                given.kind: self._read(subject, item, given) for given in given_answers(item, shown)
            }
        except ContextOverflowError as error:
            return {"too_long_by": error.excess}
        return {"answers": {kind: found for kind, found in read.items() if found is not None}}

    def report(self, records: Sequence[Record]) -> Report:
        """Return tables, figure and results.

        Raises:
            InputError: If no question could be measured.
        """
        found = summarize(records)
        if found is None:
            raise nothing_measured(len(records))
        return Report(asdict(found), tables(found), partial(draw, found), (9.0, 3.6))

    def _read(self, reader: Reader, item: AskedWith, given: Given) -> Record | None:
        """Return what is found of one answer; ``None`` if it has no statement."""
        told = self.config
        task = reader.task(
            item.question.question, given.passages, given.answer, prompt=told.template
        )
        if not (task.targets and task.sources):
            return None
        scored = method_scores(reader, task, told.methods, told.seed)
        return {
            "answer": given.answer,
            **_verdicts(task),
            "ungrounded": [
                bool(each.ungrounded) for each in with_ungrounded_words(task).statements
            ],
            "highest": {name: one.scores.amax(1).tolist() for name, one in scored.items()},
        }


def _verdicts(task: AttributionTask) -> Record:
    statements = task.answer.statements
    return {
        "estimator": task.answer.estimator,
        "tokens": len(task.ids),
        "supported": [statement.supported for statement in statements],
        "cited": [len(statement.citations) for statement in statements],
    }
