"""Whether what is found on one architecture holds on another that reads the same worlds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from at2_rag.errors import InputError
from at2_rag.estimators import ScoreEstimator
from at2_rag.evaluation import example_tasks
from at2_rag.methods import AttentionMethod, AttributionMethod, method_by_name
from at2_rag.reader import Reader
from at2_rag.worlds import HELD_OUT_SEED

from at2_rag_experiments.architectures.report import draw, tables
from at2_rag_experiments.architectures.results import OF_THE_OTHER, summarize
from at2_rag_experiments.architectures.second_reader import TRAIN, SecondReader
from at2_rag_experiments.base import WORLDS, Experiment, ExperimentConfig, OnDone, Record, Report
from at2_rag_experiments.examples import examples_for
from at2_rag_experiments.fitting.fitted import FittingPlan, fit_all
from at2_rag_experiments.fitting.pool import ESTIMATORS
from at2_rag_experiments.fitting.refits import FitOptions
from at2_rag_experiments.measuring import measured
from at2_rag_experiments.short_answers import exact_match, short_answer
from at2_rag_experiments.stated import Asked, stating_sources, with_worlds
from at2_rag_experiments.teaching import SHAPE_NAMES

#: Beside the estimators that are fitted here.
METHODS = ("random", "average-attention", "gradient", "leave-one-out", "esm-32")
#: The paper's largest is 5, which the review's question is about as well.
KS = (1, 3, 5)

_MOST_BETWEEN = 2


@dataclass(frozen=True)
class CrossArchitectureConfig(ExperimentConfig):
    """What the experiment can be told.

    Attributes:
        examples: Held-out examples to measure on.
        second: The second model, a hub id or folder; or ``"train"`` for one that is trained from
            scratch on generated worlds.
        shape: Architecture of the one that is trained, one of
            :data:`at2_rag_experiments.teaching.SHAPE_NAMES`.
        steps: Of its training.
        tokens: Of a step of its training.
        most_passages: Of a world, in its training and in all examples; the fewest of an example
            are two less.
        training_examples: To fit estimators to, for each reader.
        num_ablations: Random ablations of each of them.
        fit_steps: Of the paper's descent.
        network_steps: Of training a network.
        network_batch: Statements in a step of it.
        methods: To compare, of :data:`at2_rag.methods.METHOD_NAMES` but ``at2``.
        estimators: Fitted to each reader and compared as well, of
            :data:`at2_rag_experiments.fitting.pool.ESTIMATORS`.
        measured_ablations: Random ablations of each held-out example.
    """

    examples: int = 60
    second: str = TRAIN
    shape: str = "gpt_neox"
    steps: int = 1250
    tokens: int = 4096
    most_passages: int = 6
    training_examples: int = 120
    num_ablations: int = 32
    fit_steps: int = 1000
    network_steps: int = 600
    network_batch: int = 16
    methods: tuple[str, ...] = METHODS
    estimators: tuple[str, ...] = ESTIMATORS
    measured_ablations: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.second == TRAIN and self.data != WORLDS:
            raise InputError(
                f"data is {self.data!r} and the second model is trained on generated worlds; "
                f"expected data {WORLDS!r}, or a second model that reads these data: "
                "second=ORGANISATION/MODEL."
            )
        if self.second == TRAIN and self.shape not in SHAPE_NAMES:
            raise InputError(f"shape is {self.shape!r}; expected one of {', '.join(SHAPE_NAMES)}.")
        least = {"most_passages": 2, "training_examples": 4, "num_ablations": 4}
        for name, wanted in least.items():
            if getattr(self, name) < wanted:
                raise InputError(f"{name} is {getattr(self, name)}; expected at least {wanted}.")
        if not set(self.estimators) <= set(ESTIMATORS) or "at2" in self.methods:
            raise InputError(
                f"methods are {self.methods!r} and estimators {self.estimators!r}; expected "
                f"methods without at2, and any estimators of {', '.join(ESTIMATORS)}."
            )

    @property
    def num_passages(self) -> tuple[int, int]:
        """Fewest and most passages of an example about a world."""
        return max(2, self.most_passages - _MOST_BETWEEN), self.most_passages


@dataclass(frozen=True, eq=False)
class Side:
    """A reader with everything that is compared on it.

    Attributes:
        reader: The reader.
        methods: Of different names.
    """

    reader: Reader
    methods: tuple[AttributionMethod, ...]


@dataclass(frozen=True)
class CrossArchitecture(Experiment[Asked, Mapping[str, Side]]):
    """Compares methods on two readers, each of which answers the same questions itself.

    The same kinds of estimators are fitted to both in the same way; where both have as many
    layers and heads, each reader is also scored with the other's.
    """

    name = "cross-architecture"
    config: CrossArchitectureConfig = CrossArchitectureConfig()

    def items(self) -> Sequence[Asked]:
        """Return the held-out examples."""
        told = self.config
        found = examples_for(
            "measuring", told.data, told.examples, told.seed, num_passages=told.num_passages
        )
        if told.data == WORLDS:
            return with_worlds(found, HELD_OUT_SEED + told.seed)
        return [Asked(example) for example in found]

    def prepare(self, reader: Reader, folder: Path, on_done: OnDone) -> Mapping[str, Side]:
        """Train or load the second reader, and fit estimators to both.

        Raises:
            InputError: If the data or the folder cannot be used, or no such model can be trained.
            MissingResourceError: If there is no such second model.
            NumericalError: If training diverged, or no ablation moved anything.
        """
        told = self.config
        first = self._asking(reader)
        second = SecondReader(
            told.second, told.shape, told.steps, told.tokens, told.most_passages, told.seed
        ).load(first, folder / "reader", on_done)
        readers = {"first": first, "second": second}
        plan = self._plan
        fitted = {
            side: fit_all(plan, found, folder / side, on_done) for side, found in readers.items()
        }
        others = {"first": fitted["second"], "second": fitted["first"]}
        return {
            side: Side(found, self._methods(fitted[side], others[side]))
            for side, found in readers.items()
        }

    def measure(self, subject: Mapping[str, Side], item: Asked) -> Record:
        """Return what was measured on each reader's own answer.

        Raises:
            NumericalError: If a model or a method produced NaN.
        """
        return {side: self._measured(found, item) for side, found in subject.items()}

    def report(self, records: Sequence[Record]) -> Report:
        """Return tables, figure and results.

        Raises:
            InputError: If nothing could be measured on one of the readers.
        """
        found = summarize(records, KS)
        return Report(found.to_dict(), tables(found), partial(draw, found), (10.0, 4.8))

    @property
    def _plan(self) -> FittingPlan:
        told = self.config
        examples = examples_for(
            "training",
            told.data,
            told.training_examples,
            told.seed,
            num_passages=told.num_passages,
        )
        options = FitOptions(
            steps=told.fit_steps,
            network_steps=told.network_steps,
            network_batch=told.network_batch,
        )
        return FittingPlan(told.estimators, examples, told.num_ablations, told.seed, options)

    def _asking(self, reader: Reader) -> Reader:
        """Return the reader with the config's prompt and longest answer, and sentences to cite."""
        told: dict[str, Any] = {
            "prompt": self.config.template,
            "max_new_tokens": self.config.max_new_tokens,
            "source_unit": "sentence",
        }
        return Reader(reader.model, reader.tokenizer, reader.estimator, reader.settings, **told)

    def _methods(
        self, own: Mapping[str, ScoreEstimator], others: Mapping[str, ScoreEstimator]
    ) -> tuple[AttributionMethod, ...]:
        found = [method_by_name(name, seed=self.config.seed) for name in self.config.methods]
        found += [AttentionMethod(own[name], label=f"at2 {name}") for name in own]
        found += [
            AttentionMethod(others[name], label=f"at2 {name}{OF_THE_OTHER}")
            for name in own
            if own[name].shape == others[name].shape
        ]
        return tuple(found)

    def _measured(self, side: Side, item: Asked) -> Record:
        record: Record = {"model": str(side.reader.model.config.model_type)}
        task = next(example_tasks(side.reader, [item.example]), None)
        if task is None:
            return {**record, "left_out": "too long for the model"}
        record["answer"] = task.answer.text
        if item.world is not None:
            final = short_answer(task.answer.text)
            said = task.answer.text if final is None else final
            record["right"] = exact_match(said, item.world.final_answer)
            record["stated"] = stating_sources(task, item.world)
        told = self.config
        found = measured(task, side.methods, KS, told.measured_ablations, told.seed)
        if not found:
            return {**record, "left_out": "no statement, or no source"}
        return {**record, "comparison": found}
