"""Methods and citations on real questions, against what leaving sources out really does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Literal, get_args

from at2_rag.ablation.task import AttributionTask
from at2_rag.errors import ContextOverflowError, InputError
from at2_rag.evaluation.timing import forward_seconds
from at2_rag.reader import Reader

from at2_rag_experiments.base import Experiment, Record, Report
from at2_rag_experiments.faithfulness.effects import effects_of
from at2_rag_experiments.faithfulness.report import draw, tables
from at2_rag_experiments.faithfulness.results import summarize
from at2_rag_experiments.faithfulness.scored import method_scores
from at2_rag_experiments.gold_question import GoldQuestion
from at2_rag_experiments.shown_questions import ShownQuestionsConfig, nothing_measured

#: From the paper, and what people do today; leave-one-out comes with what it is held against.
METHODS = (
    "average-attention",
    "equal-tokens",
    "at2",
    "gradient",
    "esm-32",
    "esm-64",
    "bm25",
    "minilm",
    "bm25-with-question",
    "minilm-with-question",
)

#: Whose answer is explained.
AnswerOf = Literal["model", "data"]


@dataclass(frozen=True)
class FaithfulnessConfig(ShownQuestionsConfig):
    """What the experiment can be told.

    Attributes:
        answers: Whose answers are explained: ``"model"`` for those that the model gives, ``"data"``
            for the right ones.
        methods: Names of the methods to compare.
        ablations: Random ablations of each answer; 0 leaves nothing out, so that only what is
            marked in the data is looked at.
    """

    answers: AnswerOf = "model"
    methods: tuple[str, ...] = METHODS
    ablations: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_least(ablations=0)
        if self.answers not in get_args(AnswerOf):
            raise InputError(
                f"answers is {self.answers!r}; expected one of {', '.join(get_args(AnswerOf))}."
            )


@dataclass(frozen=True)
class Faithfulness(Experiment[GoldQuestion, Reader]):
    """Scores the sentences of the passages by every method, and really leaves them out."""

    name = "faithfulness"
    config: FaithfulnessConfig = FaithfulnessConfig()

    def items(self) -> Sequence[GoldQuestion]:
        """Return the questions."""
        return self.config.questions()

    def measure(self, subject: Reader, item: GoldQuestion) -> Record:
        """Return every method's scores of an answer, its citations, and what ablations did.

        Raises:
            InputError: If there is no such method.
            NumericalError: If the model produced NaN.
        """
        told = self.config
        try:
            task = self._task(subject, item)
        except ContextOverflowError as error:
            return {"too_long_by": error.excess}
        if not (task.targets and task.sources):
            return {"text": task.answer.text}
        scored = method_scores(subject, task, told.methods, told.seed)
        found: Record = {
            "text": task.answer.text,
            "tokens": len(task.ids),
            "estimator": task.answer.estimator,
            **_marked(task, item, told.shown(item)),
            "statements": _cited(task),
            # Nobody asks for the time of what leaves nothing out, and it would take half of it.
            "seconds": forward_seconds(task) if told.ablations else None,
            "methods": {name: one.to_dict() for name, one in scored.items()},
        }
        if told.ablations:
            found["effects"] = effects_of(task, scored, told.ablations, told.seed).to_dict()
        return found

    def report(self, records: Sequence[Record]) -> Report:
        """Return tables, figure and results.

        Raises:
            InputError: If no question could be measured.
        """
        found = summarize(records)
        if found is None:
            raise nothing_measured(len(records))
        return Report(asdict(found), tables(found), partial(draw, found), (11.0, 4.4))

    def _task(self, reader: Reader, item: GoldQuestion) -> AttributionTask:
        told = self.config
        passages = [item.passages[index] for index in told.shown(item)]
        answer = item.answer if told.answers == "data" else None
        return reader.task(
            item.question,
            passages,
            answer,
            max_new_tokens=told.max_new_tokens,
            prompt=told.template,
        )


def _marked(task: AttributionTask, item: GoldQuestion, kept: Sequence[int]) -> Record:
    """Return which passage each source is of, and whether the data mark it as evidence.

    Where they mark whole passages only, all of such a passage is.
    """
    sources = task.answer.attribution.sources
    whole = [(index, 0, len(item.passages[index].text)) for index in item.supporting]
    marked = [
        any(
            kept[s.passage_index] == passage and s.start < end and start < s.end
            for passage, start, end in item.gold or whole
        )
        for s in sources
    ]
    return {"passage_of": [s.passage_index for s in sources], "gold": marked}


def _cited(task: AttributionTask) -> list[Record]:
    """Return each statement with the sources that it cites."""
    index = {source.place: i for i, source in enumerate(task.answer.attribution.sources)}
    return [
        {
            "text": statement.text,
            "tokens": end - start,
            "supported": statement.supported,
            "cited": [index[citation.place] for citation in statement.citations],
            "inherited": [citation.inherited for citation in statement.citations],
        }
        for statement, (start, end) in zip(task.answer.statements, task.targets, strict=True)
    ]
