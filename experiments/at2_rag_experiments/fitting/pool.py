"""A pool of training records to draw from, and held-out ones to measure on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from at2_rag.documents.sources import SourceUnit, check_unit
from at2_rag.errors import InputError
from at2_rag.estimators import ProbedEstimator
from at2_rag.evaluation.statistics import DEPENDENT_SPREAD
from at2_rag.reader import Reader
from at2_rag.training import TrainingRecord
from at2_rag.training.dataset import Statements
from torch import Tensor

from at2_rag_experiments.base import Experiment, ExperimentConfig, ItemT, OnDone
from at2_rag_experiments.examples import Purpose, examples_for
from at2_rag_experiments.fitting.fits import ESTIMATORS, FITTED_KINDS, FitOptions
from at2_rag_experiments.fitting.learning import Lot, collected

#: Leaving out every source alone takes a pass each, which is too many for smaller ones.
_UNITS_WITH_DETAIL = ("sentence", "passage")


@dataclass(frozen=True)
class PoolConfig(ExperimentConfig):
    """What experiments that fit many times to parts of one pool can be told.

    Attributes:
        examples: Training examples of the pool.
        held_out: Examples to measure on, which nothing is fitted to.
        held_out_data: What these are about, named as ``data`` is; ``None`` for another part of
            ``data`` itself. With it, all of a file in ``data`` is for fitting.
        num_passages: Fewest and most passages of an example about a world.
        num_ablations: Random ablations of each example.
        source_unit: What is ablated and scored; the paper trains on tokens.
        pool: Folder of the pool, which several experiments may share; ``None`` for one within
            the folder of results.
        detail: Whether to collect attention and effects by source as well, for networks and for
            scores of single sources; not done for words and tokens.
        estimators: Kinds that are fitted, of
            :data:`at2_rag_experiments.fitting.fits.FITTED_KINDS`; a network is left out where no
            detail is collected.
        steps: Steps of the paper's descent.
        network_steps: Steps of a network's training.
        network_batch: Statements in a step of a network's training.
    """

    examples: int = 100
    held_out: int = 50
    held_out_data: str | None = None
    num_passages: tuple[int, int] = (4, 8)
    num_ablations: int = 32
    source_unit: SourceUnit = "sentence"
    pool: str | None = None
    detail: bool = True
    estimators: tuple[str, ...] = ESTIMATORS
    steps: int = 1000
    network_steps: int = 300
    network_batch: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_unit(self.source_unit)
        self.check_least(examples=4, held_out=2, num_ablations=4)
        if not self.estimators or not set(self.estimators) <= set(FITTED_KINDS):
            raise InputError(
                f"estimators is {self.estimators!r}; expected any of {', '.join(FITTED_KINDS)}."
            )

    @property
    def with_detail(self) -> bool:
        """Whether attention and effects by source are collected."""
        return self.detail and self.source_unit in _UNITS_WITH_DETAIL

    def lot(self, purpose: Purpose, count: int) -> Lot:
        """Return examples for one purpose, and what is collected of them.

        Experiments that share a pool may fit other estimators to it, so it serves all kinds.

        Raises:
            InputError: If there is no such data, or too little of it.
            FileFormatError: If a file cannot be read.
            MissingResourceError: If the hub does not give the data.
        """
        apart = self.held_out_data is not None
        data = self.held_out_data if purpose == "measuring" else None
        examples = examples_for(
            purpose,
            data or self.data,
            count,
            self.seed,
            num_passages=self.num_passages,
            whole=apart,
        )
        kinds = ("copying", "network") if self.with_detail else ("copying",)
        return Lot(examples, kinds, self.num_ablations, self.source_unit, self.seed)

    @property
    def options(self) -> FitOptions:
        """How estimators are fitted."""
        return FitOptions(self.steps, self.network_steps, self.network_batch)

    @property
    def fitted(self) -> tuple[str, ...]:
        """Those of the estimators that can be fitted to what is collected."""
        return tuple(name for name in self.estimators if name != "network" or self.with_detail)


@dataclass(frozen=True, eq=False)
class Pool:
    """What was collected.

    Attributes:
        training: Records to fit to.
        held_out: Records to measure on.
        statements: Statements of the held-out records.
        probed: The heads that probing the reader's model found; ``None`` if it came with another
            estimator.
    """

    training: tuple[TrainingRecord, ...]
    held_out: tuple[TrainingRecord, ...]
    statements: Statements
    probed: ProbedEstimator | None = None

    @classmethod
    def of(
        cls,
        training: Sequence[TrainingRecord],
        held_out: Sequence[TrainingRecord],
        probed: ProbedEstimator | None = None,
    ) -> Pool:
        """Put a pool together; arguments are the attributes of the same names.

        Raises:
            InputError: If there is too little to fit to or to measure on.
        """
        if len(training) < 4 or len(held_out) < 2:
            raise InputError(
                f"There are {len(training)} training records and {len(held_out)} held-out ones; "
                "expected at least 4 and 2. Give more examples, or a model that answers them."
            )
        found = cls(tuple(training), tuple(held_out), Statements.of(held_out), probed)
        if int(found.dependent.sum()) < 2:
            raise InputError(
                f"Fewer than 2 of the {len(found.dependent)} held-out statements depend on their "
                "sources, so nothing can be measured on them; expected answers that the passages "
                "matter to."
            )
        return found

    @property
    def dependent(self) -> Tensor:
        """(statements,): which of the held-out ones depend on their sources."""
        return self.statements.moved & (self.statements.spread >= DEPENDENT_SPREAD)


def gather(config: PoolConfig, reader: Reader, folder: Path, on_done: OnDone) -> Pool:
    """Collect a pool, or go on collecting it, and load it.

    Args:
        config: How many examples to collect, and what of them.
        reader: The reader whose model is explained. Of its estimator only probed heads play a part,
            to be compared with and to begin with.
        folder: The folder of results; the pool goes into it unless the config names another one.
        on_done: Called after each example, of those to fit to and then of those held out.

    Raises:
        InputError: If the data or the folder cannot be used, or there is too little in them.
        FileFormatError: If a file cannot be read.
        DiskFullError: If the disk is full; everything before is stored.
    """
    place = folder / "pool" if config.pool is None else Path(config.pool)
    asking = reader.with_options(prompt=config.template, max_new_tokens=config.max_new_tokens)
    counts: dict[Purpose, int] = {"training": config.examples, "measuring": config.held_out}
    training, held_out = (
        collected(config.lot(purpose, most), asking, place / purpose, on_done)
        for purpose, most in counts.items()
    )
    own = reader.estimator
    return Pool.of(training, held_out, own if isinstance(own, ProbedEstimator) else None)


@dataclass(frozen=True)
class PoolExperiment(Experiment[ItemT, Pool]):
    """An experiment that fits again and again to parts of one pool."""

    config: PoolConfig = PoolConfig()

    def prepare(self, reader: Reader, folder: Path, on_done: OnDone) -> Pool:
        """Collect the pool; arguments and errors are those of :func:`gather`."""
        return gather(self.config, reader, folder, on_done)


def draw(records: Sequence[TrainingRecord], size: int, salt: str) -> list[TrainingRecord]:
    """Return so many of the records at random, or all if there are fewer, in their order.

    Args:
        records: Records to draw from.
        size: How many to draw.
        salt: What the draw depends on: the same gives the same.
    """
    places = Random(salt).sample(range(len(records)), min(size, len(records)))
    return [records[place] for place in sorted(places)]


def with_ablations(record: TrainingRecord, size: int, salt: str) -> TrainingRecord:
    """Return a record with so many of its random ablations; what is known by source stays.

    Args:
        record: A record with any number of ablations.
        size: How many ablations to keep; at most as many as it has.
        salt: What the draw depends on, beside the record: the same gives the same.
    """
    rows = sorted(Random(f"{salt} {record.id}").sample(range(len(record.masks)), size))
    return replace(
        record,
        masks=record.masks[rows],
        features=record.features[:, rows],
        outputs=record.outputs[:, rows],
        log_probabilities=record.log_probabilities[:, rows],
    )
