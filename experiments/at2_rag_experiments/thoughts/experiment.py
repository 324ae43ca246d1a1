"""Attributing a response to the thoughts before it, and to passages (sections 2.3, 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from at2_rag.ablation.task import AttributionTask
from at2_rag.documents.sources import SourceUnit
from at2_rag.errors import ContextOverflowError
from at2_rag.estimators import ScoreEstimator
from at2_rag.methods import AttributionMethod
from at2_rag.prompt.thinking_markers import ThinkingMarkers
from at2_rag.reader import Reader
from at2_rag.training import TrainingExample
from at2_rag.worlds import WorldExample

from at2_rag_experiments.base import WORLDS, Experiment, OnDone, Record, Report
from at2_rag_experiments.examples import Purpose, examples_for
from at2_rag_experiments.fitting.config import LearningConfig
from at2_rag_experiments.fitting.learning import learned
from at2_rag_experiments.measuring import measured
from at2_rag_experiments.methods import methods_beside
from at2_rag_experiments.short_answers import exact_match
from at2_rag_experiments.stated import Asked, asked_of, sources_by_sentence
from at2_rag_experiments.thoughts.report import draw, tables
from at2_rag_experiments.thoughts.results import KS, summarize

_HOPS = (2,)


@dataclass(frozen=True)
class ThoughtAttributionConfig(LearningConfig):
    """What the experiment can be told.

    Attributes:
        examples: Examples to measure on.
        begin: What stands before the demo reader's thoughts: nothing, it thinks from the first word
            on. With other data, the markers are those of the model.
        end: What stands behind the demo reader's thoughts.
        general: Name of the data to learn from in general, with thoughts as sources; with worlds it
            is not used, and questions answered without thoughts are what is learned from in
            general.
        units: What sources are, one after the other.
    """

    examples: int = 40
    begin: str = ""
    end: str = " Final answer: "
    general: str = "agieval"
    units: tuple[SourceUnit, ...] = ("sentence", "token")


@dataclass(frozen=True, eq=False)
class ThoughtSubject:
    """What examples are measured on.

    Attributes:
        reader: The reader, which thinks before it responds.
        estimators: Estimators that were fitted here, by the name that they are compared under.
    """

    reader: Reader
    estimators: Mapping[str, ScoreEstimator]


@dataclass(frozen=True)
class ThoughtAttribution(Experiment[Asked, ThoughtSubject]):
    """Compares methods where thoughts and passages are sources, and the response is the target.

    The demo reader's hops are its thoughts here, and the short answer behind them its response: so
    it is known which thought the response repeats, and which sentences the thoughts go back to.
    """

    name = "thought-attribution"
    config: ThoughtAttributionConfig = ThoughtAttributionConfig()

    def items(self) -> Sequence[Asked]:
        """Return the examples to measure on."""
        told = self.config
        return asked_of(self._examples("measuring", told.data, told.examples), told)

    def prepare(self, reader: Reader, folder: Path, on_done: OnDone) -> ThoughtSubject:
        """Fit estimators to what the thinking reader answers, and to what it answers in general.

        Raises:
            InputError: If the data or the folder cannot be used.
            NumericalError: If no ablation moved anything, or training diverged.
        """
        told = self.config
        thinking = self._thinking(reader)
        if told.data == WORLDS:
            # The same reader, whose hops are a part of its answer: context attribution.
            general, data = self._asking(reader, thinking=None), told.data
        else:
            general, data = thinking, told.general
        runs = {"general": (general, data), "task": (thinking, told.data)}
        found = {
            f"at2 {kind} ({task})": estimator
            for task, (asking, source) in runs.items()
            for kind, estimator in self._learned(source, asking, folder / task, on_done).items()
        }
        return ThoughtSubject(thinking, found)

    def measure(self, subject: ThoughtSubject, item: Asked) -> Record:
        """Return all methods' measurements on one response, by unit, and what it relies on.

        Raises:
            NumericalError: If the model or a method produced NaN.
        """
        record: Record = {}
        for unit in self.config.units:
            try:
                task = self._task(subject.reader, item.example, unit)
            except ContextOverflowError:
                return {"left_out": "too long for the model"}
            thoughts = task.answer.thoughts
            if thoughts is None:
                return {"left_out": "answered without a thought"}
            if not thoughts.finished:
                return {"left_out": "cut off in its thoughts"}
            record[unit] = measured(
                task,
                self._methods(subject, unit),
                KS,
                self.config.measured_ablations,
                self.config.seed,
            )
            if not record[unit]:
                return {"left_out": "no statement, or no source"}
            record[unit]["kinds"] = _kinds(task)
            record.setdefault("reliance", _reliance(task))
            if unit == "sentence" and item.world is not None:
                record["known"] = _against_world(task, item.world)
        return record

    def report(self, records: Sequence[Record]) -> Report:
        """Return tables, figure and results.

        Raises:
            InputError: If nothing could be measured.
        """
        found = summarize(records)
        return Report(found.to_dict(), tables(found), partial(draw, found), (12.0, 5.0))

    def _examples(self, purpose: Purpose, data: str, count: int) -> list[TrainingExample]:
        return examples_for(
            purpose,
            data,
            count,
            self.config.seed,
            num_passages=self.config.num_passages,
            hops=_HOPS,
            passages_needed=False,
        )

    def _learned(
        self, data: str, reader: Reader, folder: Path, on_done: OnDone
    ) -> dict[str, ScoreEstimator]:
        told = self.config
        lot = told.lot(self._examples("training", data, told.training_examples))
        return learned(lot, told.options, reader, folder, on_done)

    def _thinking(self, reader: Reader) -> Reader:
        told = self.config
        if told.data == WORLDS:
            return self._asking(reader, thinking=ThinkingMarkers(told.begin, told.end))
        return self._asking(reader)

    def _asking(self, reader: Reader, **options: Any) -> Reader:
        return reader.with_options(max_new_tokens=self.config.max_new_tokens, **options)

    def _task(self, reader: Reader, example: TrainingExample, unit: str) -> AttributionTask:
        options = {**example.options, "source_unit": unit}
        return reader.task(example.question, example.passages, **options)

    def _methods(self, subject: ThoughtSubject, unit: str) -> list[AttributionMethod]:
        told, learned = self.config, subject.estimators
        return methods_beside(subject.reader, learned, told.methods, unit, told.seed)


def _kinds(task: AttributionTask) -> list[str]:
    """Return the kind of each source."""
    answer = task.answer
    return [answer.passages[source.passage_index].kind for source in answer.attribution.sources]


def _reliance(task: AttributionTask) -> Record:
    """Return how much less likely the response is without passages, thoughts, and both, in nats."""
    thought = torch.tensor([kind == "thought" for kind in _kinds(task)])
    masks = torch.stack([torch.ones_like(thought), thought, ~thought, torch.zeros_like(thought)])
    effects = task.ablator().ablate(masks)
    log_p = effects.log_probability(0, len(task.ids) - task.prompt_length)
    without = {"passages": 1, "thoughts": 2, "both": 3}
    return {name: float(log_p[0] - log_p[row]) for name, row in without.items()}


def _against_world(task: AttributionTask, world: WorldExample) -> Record:
    """Return what is known of a response about a world, and what was cited."""
    answer, sources = task.answer, task.answer.attribution.sources
    assert answer.thoughts is not None
    places = {source.place: index for index, source in enumerate(sources)}
    by_sentence = sources_by_sentence(sources)
    return {
        "right": exact_match(answer.text, world.final_answer),
        "thoughts_right": answer.thoughts.text == world.answer.partition(" Final answer:")[0],
        # Thoughts come last among the sources, and the last hop is their last sentence.
        "last_hop": len(sources) - 1,
        "supporting": sorted({by_sentence[place] for place in world.supporting_sentences}),
        "cited": [places[citation.place] for citation in answer.citations],
    }
