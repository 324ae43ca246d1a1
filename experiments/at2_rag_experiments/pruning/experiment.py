"""Pruning the context by what a first answer used, and answering again (section 5, A.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from at2_rag.ablation.task import AttributionTask
from at2_rag.errors import ContextOverflowError, InputError
from at2_rag.reader import Reader

from at2_rag_experiments.base import Experiment, ExperimentConfig, Record, Report
from at2_rag_experiments.gold_question import GoldQuestion
from at2_rag_experiments.methods import AT2, has_estimator, own_name
from at2_rag_experiments.pruning.prefixes import answers_from_sets
from at2_rag_experiments.pruning.ranking import (
    QUESTION,
    WITHOUT_DRAFT,
    WITHOUT_READING,
    Ranking,
    rank_by_method,
    rank_by_question,
    rank_by_use,
    rank_unread,
    with_titles_inside,
)
from at2_rag_experiments.pruning.report import draw, tables
from at2_rag_experiments.pruning.results import key_of, summarize
from at2_rag_experiments.questions import gold_questions
from at2_rag_experiments.short_answers import exact_match, f1, final_answer, short_answer

#: ``retrieval`` is left out where the data do not tell the retriever's scores, and ``at2`` where
#: the reader has no learned estimator.
METHODS = (
    "oracle",
    "random",
    "bm25",
    "retrieval",
    "question",
    "average-attention",
    "esm-32",
    "at2",
)


@dataclass(frozen=True)
class HotpotPruningConfig(ExperimentConfig):
    """What the pruning experiment can be told.

    Attributes:
        methods: Names of what ranks the passages: ``oracle``, ``random``, ``bm25``, ``minilm``,
            ``retrieval``, ``question`` for what the question looks at, and those of
            :data:`at2_rag.methods.METHOD_NAMES`. ``at2`` is the reader's own estimator, which
            tables call ``probed`` if its heads were found so.
        ks: How many passages are kept, each of these numbers in turn; empty for every number.
        num_passages: Passages of each question about a world.
        hops: Facts that a question about a world takes.
    """

    methods: tuple[str, ...] = METHODS
    ks: tuple[int, ...] = ()
    num_passages: int = 10
    hops: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        whole = all(type(k) is int and k > 0 for k in self.ks)
        if not whole or list(self.ks) != sorted(set(self.ks)):
            raise InputError(
                f"ks is {list(self.ks)}; expected numbers of passages to keep, from 1 on, each "
                "greater than the one before it."
            )


@dataclass(frozen=True)
class HotpotPruning(Experiment[GoldQuestion, Reader]):
    """Drafts an answer from all passages, keeps the best k for each k, and answers again.

    Whole passages are sources. Each set of passages that any method keeps is answered once, all
    sets of a question together; beginnings that several prompts share are read once.
    """

    name = "hotpot-pruning"
    config: HotpotPruningConfig = HotpotPruningConfig()

    def items(self) -> Sequence[GoldQuestion]:
        """Return the questions."""
        told = self.config
        return gold_questions(told.data, told.examples, told.seed, told.num_passages, told.hops)

    def measure(self, subject: Reader, item: GoldQuestion) -> Record:
        """Return every method's ranking and the answers from all sets of passages kept.

        Raises:
            InputError: If there is no such method.
            MissingExtraError: If the model that ``minilm`` asks is not installed.
            NumericalError: If the model produced NaN.
        """
        try:
            task = subject.task(item.question, item.passages, **self._options)
        except ContextOverflowError as error:
            return {"too_long_by": error.excess}
        rankings = self._rankings(subject, item, task)
        everything = tuple(range(len(item.passages)))
        counts = self.config.ks or range(1, len(everything) + 1)
        wanted = [ranking.kept(k) for ranking in rankings.values() for k in counts]
        sets = sorted({item.supporting, *wanted} - {everything})
        found = answers_from_sets(subject, item.question, item.passages, sets, **self._options)
        answers = {everything: task.answer.text, **dict(zip(sets, found.texts, strict=True))}
        return {
            "passages": list(everything),
            "supporting": list(item.supporting),
            "gold": item.answer,
            "prompt_tokens": task.prompt_length,
            "truncated": task.answer.truncated,
            "marked": short_answer(task.answer.text) is not None,
            "cited": sorted({c.passage_index for c in task.answer.citations}),
            "rankings": {name: ranking.to_dict() for name, ranking in rankings.items()},
            "prompts": len(wanted),
            "tokens": {"prompts": found.prompt_tokens, "read": found.read_tokens},
            "answers": {key_of(k): _judged(a, item.answer) for k, a in sorted(answers.items())},
        }

    def report(self, records: Sequence[Record]) -> Report:
        """Return tables, figure and results.

        Raises:
            InputError: If no question could be measured.
        """
        found = summarize(records, self.config.ks)
        if found is None:
            least = min(record["too_long_by"] for record in records)
            raise InputError(
                f"None of the {len(records)} questions fits the model's context, by {least} tokens "
                "or more; expected at least one that does. Use another model, or shorter passages."
            )
        return Report(found.to_dict(), tables(found), partial(draw, found), (11.0, 4.2))

    @property
    def _options(self) -> dict[str, Any]:
        told = self.config
        return {
            "source_unit": "passage",
            "prompt": told.template,
            "max_new_tokens": told.max_new_tokens,
        }

    def _rankings(
        self, reader: Reader, item: GoldQuestion, task: AttributionTask
    ) -> Mapping[str, Ranking]:
        """Return an order for each method that there is one by."""
        absent = {"retrieval"} if item.retrieval is None else set()
        absent |= set() if has_estimator(reader) else {AT2}
        methods = [name for name in self.config.methods if name not in absent]
        whole = task
        if task.answer.text and set(methods) - {*WITHOUT_DRAFT, AT2}:
            passages = with_titles_inside(item.passages)
            thoughts = None if task.answer.thoughts is None else task.answer.thoughts.text
            whole = reader.task(
                item.question, passages, task.answer.text, thoughts=thoughts, **self._options
            )
        found = {}
        for name in methods:
            if name == AT2:
                found[own_name(reader)] = rank_by_use(task.answer)
            elif name == QUESTION:
                found[name] = rank_by_question(reader, item, self._options)
            elif name in WITHOUT_READING:
                found[name] = rank_unread(name, item, self.config.seed)
            else:
                found[name] = rank_by_method(name, whole, self.config.seed)
        return found


def _judged(text: str, gold: str) -> Record:
    """Return an answer and how right it is; all of it counts where nothing marks the end."""
    said = final_answer(text)
    return {"text": text, "exact": exact_match(said, gold), "f1": f1(said, gold)}
