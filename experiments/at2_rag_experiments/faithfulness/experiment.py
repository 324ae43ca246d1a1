"""Methods and citations on real questions, against what leaving sources out really does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from time import perf_counter
from typing import Literal, get_args

import torch
from at2_rag.ablation.task import AttributionTask
from at2_rag.errors import ContextOverflowError, InputError
from at2_rag.methods.base import answer_logits, input_tokens
from at2_rag.reader import Reader

from at2_rag_experiments.base import Experiment, ExperimentConfig, Record, Report
from at2_rag_experiments.faithfulness.effects import effects_of
from at2_rag_experiments.faithfulness.report import draw, tables
from at2_rag_experiments.faithfulness.results import summarize
from at2_rag_experiments.faithfulness.scored import method_scores
from at2_rag_experiments.gold_question import GoldQuestion
from at2_rag_experiments.question_files import is_question_file, read_questions
from at2_rag_experiments.questions import gold_questions

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
class FaithfulnessConfig(ExperimentConfig):
    """What the experiment can be told.

    Attributes:
        first: How many questions of the data are passed over.
        answers: Whose answers are explained: ``"model"`` for those that the model gives, ``"data"``
            for the right ones.
        passages: Most passages of a question: those with gold spans, and the first others, in
            their order; 0 for all.
        methods: Names of the methods to compare.
        ablations: Random ablations of each answer; 0 leaves nothing out, so that only what is
            marked in the data is looked at.
    """

    first: int = 0
    answers: AnswerOf = "model"
    passages: int = 0
    methods: tuple[str, ...] = METHODS
    ablations: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_least(first=0, passages=0, ablations=0)
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
        """Return the questions; those of a file in its order, so that some can be passed over.

        Raises:
            InputError: If there is no such data.
            FileFormatError: If a file cannot be read or a row is bad; with its place.
        """
        return some_questions(self.config.data, self.config.first, self.config.examples)

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
            **_marked(task, item, kept_passages(item, told.passages)),
            "statements": _cited(task),
            # Nobody asks for the time of what leaves nothing out, and it would take half of it.
            "seconds": _forward_seconds(task) if told.ablations else None,
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
            raise InputError(
                f"None of the {len(records)} questions fits the model's context and was answered "
                "with a statement; expected at least one. Use another model, or fewer passages."
            )
        return Report(asdict(found), tables(found), partial(draw, found), (11.0, 4.4))

    def _task(self, reader: Reader, item: GoldQuestion) -> AttributionTask:
        told = self.config
        passages = [item.passages[index] for index in kept_passages(item, told.passages)]
        answer = item.answer if told.answers == "data" else None
        return reader.task(
            item.question,
            passages,
            answer,
            max_new_tokens=told.max_new_tokens,
            prompt=told.template,
        )


def some_questions(data: str, first: int, count: int) -> list[GoldQuestion]:
    """Return questions whose answer and evidence are known; those of a file in its order.

    Args:
        data: What they are about, as :func:`gold_questions` takes it.
        first: How many questions to pass over.
        count: How many questions to return at most.

    Raises:
        InputError: If there is no such data.
        FileFormatError: If a file cannot be read or a row is bad; with its place.
        MissingResourceError: If the hub does not give the data.
    """
    most = first + count
    found = read_questions(data) if is_question_file(data) else gold_questions(data, most, seed=0)
    return found[first:most]


def kept_passages(item: GoldQuestion, most: int) -> list[int]:
    """Return which passages of a question are shown, in their order.

    Args:
        item: The question, of whose passages those with its evidence come first.
        most: How many passages to show; 0 for all.
    """
    indices, gold = range(len(item.passages)), set(item.supporting)
    return sorted(sorted(indices, key=lambda index: index not in gold)[: most or len(indices)])


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
    index = {
        (s.passage_index, s.start, s.end): i for i, s in enumerate(task.answer.attribution.sources)
    }
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


@torch.inference_mode()
def _forward_seconds(task: AttributionTask) -> float:
    """Return what one pass over prompt and answer takes, the shorter of two."""
    tokens, taken = input_tokens(task), []
    for _ in range(2):
        start = perf_counter()
        answer_logits(task, input_ids=tokens)[:, 0].cpu()
        taken.append(perf_counter() - start)
    return min(taken)
