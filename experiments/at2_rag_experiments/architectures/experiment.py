"""Whether what is found on one architecture holds on another that reads the same worlds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from at2_rag.errors import InputError
from at2_rag.estimators import ScoreEstimator
from at2_rag.evaluation import example_tasks
from at2_rag.methods import AttentionMethod, AttributionMethod, method_by_name
from at2_rag.reader import Reader
from at2_rag.training import TrainingExample

from at2_rag_experiments.architectures.report import draw, tables
from at2_rag_experiments.architectures.results import OF_THE_OTHER, summarize
from at2_rag_experiments.architectures.second_reader import TRAIN, SecondReader
from at2_rag_experiments.base import WORLDS, Experiment, OnDone, Record, Report
from at2_rag_experiments.examples import Purpose, examples_for
from at2_rag_experiments.fitting.config import LearningConfig
from at2_rag_experiments.fitting.learning import learned
from at2_rag_experiments.measuring import measured
from at2_rag_experiments.short_answers import exact_match, final_answer
from at2_rag_experiments.stated import Asked, asked_of, stating_sources
from at2_rag_experiments.teaching import SHAPE_NAMES

#: Of the top-k drops; 5 is the paper's largest.
KS = (1, 3, 5)


@dataclass(frozen=True)
class CrossArchitectureConfig(LearningConfig):
    """What the experiment can be told.

    Attributes:
        examples: Held-out examples to measure on.
        second: The second model, a hub id or folder; or ``"train"`` for one that is trained from
            scratch on generated worlds.
        shape: Architecture of the second model where it is trained, one of
            :data:`at2_rag_experiments.teaching.SHAPE_NAMES`.
        steps: Steps of the second model's training.
        tokens: Tokens in a step of this training.
        num_passages: Fewest and most passages of an example about a world; the most are those of
            a world in this training, too.
    """

    examples: int = 60
    second: str = TRAIN
    shape: str = "gpt_neox"
    steps: int = 1250
    tokens: int = 4096
    num_passages: tuple[int, int] = (4, 6)
    training_examples: int = 120
    network_steps: int = 600
    network_batch: int = 16

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


@dataclass(frozen=True, eq=False)
class Side:
    """A reader with everything that is compared on it.

    Attributes:
        reader: The reader that answers.
        methods: The methods that are compared on it, of different names.
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
        return asked_of(self._examples("measuring", told.examples), told)

    def prepare(self, reader: Reader, folder: Path, on_done: OnDone) -> Mapping[str, Side]:
        """Train or load the second reader, and fit estimators to both.

        Raises:
            InputError: If the data or the folder cannot be used, or no such model can be trained.
            MissingResourceError: If there is no such second model.
            NumericalError: If training diverged, or no ablation moved anything.
        """
        told = self.config
        first = reader.with_options(
            prompt=told.template,
            max_new_tokens=told.max_new_tokens,
            source_unit="sentence",
        )
        second = SecondReader(
            told.second, told.shape, told.steps, told.tokens, told.num_passages[1], told.seed
        ).load(first, folder / "reader", on_done)
        readers = {"first": first, "second": second}
        lot = told.lot(self._examples("training", told.training_examples))
        fitted = {
            side: learned(lot, told.options, found, folder / side, on_done)
            for side, found in readers.items()
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

    def _examples(self, purpose: Purpose, count: int) -> list[TrainingExample]:
        told = self.config
        return examples_for(purpose, told.data, count, told.seed, num_passages=told.num_passages)

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
            said = final_answer(task.answer.text)
            record["right"] = exact_match(said, item.world.final_answer)
            record["stated"] = stating_sources(task, item.world)
        told = self.config
        found = measured(task, side.methods, KS, told.measured_ablations, told.seed)
        if not found:
            return {**record, "left_out": "no statement, or no source"}
        return {**record, "comparison": found}
