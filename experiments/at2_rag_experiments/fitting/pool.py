"""A pool of training records to draw from, and held-out ones to measure on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from random import Random

from at2_rag.documents.sources import SourceUnit, check_unit
from at2_rag.errors import InputError
from at2_rag.evaluation.statistics import DEPENDENT_SPREAD
from at2_rag.reader import Reader
from at2_rag.training import Outcome, TrainingExample, TrainingRecord, collect, load_collected
from at2_rag.training.dataset import Statements
from torch import Tensor

from at2_rag_experiments.base import ExperimentConfig, OnDone
from at2_rag_experiments.examples import Purpose, examples_for

#: What can be fitted to a pool: the paper's coefficients by its descent, copying coefficients by a
#: ridge, and a network over sources, which is left out where no detail was collected.
ESTIMATORS = ("linear", "copying", "network")

#: Leaving out every source alone takes a pass each, which is too many for smaller ones.
_UNITS_WITH_DETAIL = ("sentence", "passage")


@dataclass(frozen=True)
class PoolConfig(ExperimentConfig):
    """What experiments that fit many times to parts of one pool can be told.

    Attributes:
        examples: Training examples of the pool.
        held_out: Examples to measure on, which nothing is fitted to.
        num_ablations: Random ablations of each example.
        source_unit: What is ablated and scored; the paper trains on tokens.
        pool: Folder of the pool, which several experiments may share; ``None`` for one within
            the folder of results.
        detail: Whether to collect attention and effects by source as well, for networks and for
            scores of single sources; not done for words and tokens.
        estimators: What is fitted, of :data:`ESTIMATORS`.
        steps: Of the paper's descent.
        network_steps: Of a network's training.
        network_batch: Statements in a step of it.
    """

    examples: int = 100
    held_out: int = 50
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
        least = {"examples": 4, "held_out": 2, "num_ablations": 4}
        for name, wanted in least.items():
            if getattr(self, name) < wanted:
                raise InputError(f"{name} is {getattr(self, name)}; expected at least {wanted}.")
        if not self.estimators or not set(self.estimators) <= set(ESTIMATORS):
            raise InputError(
                f"estimators is {self.estimators!r}; expected any of {', '.join(ESTIMATORS)}."
            )

    @property
    def with_detail(self) -> bool:
        """Whether attention and effects by source are collected."""
        return self.detail and self.source_unit in _UNITS_WITH_DETAIL

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
        statements: Those of the held-out records.
    """

    training: tuple[TrainingRecord, ...]
    held_out: tuple[TrainingRecord, ...]
    statements: Statements

    @classmethod
    def of(cls, training: Sequence[TrainingRecord], held_out: Sequence[TrainingRecord]) -> Pool:
        """Put a pool together.

        Raises:
            InputError: If there is too little to fit to or to measure on.
        """
        if len(training) < 4 or len(held_out) < 2:
            raise InputError(
                f"There are {len(training)} training records and {len(held_out)} held-out ones; "
                "expected at least 4 and 2. Give more examples, or a model that answers them."
            )
        found = cls(tuple(training), tuple(held_out), Statements.of(held_out))
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
        config: How much of what.
        reader: Whose model is explained; its estimator plays no part.
        folder: Of the results; the pool goes into it unless the config names another folder.
        on_done: Called after each example.

    Raises:
        InputError: If the data or the folder cannot be used, or there is too little in them.
        FileFormatError: If a file cannot be read.
        DiskFullError: If the disk is full; everything before is stored.
    """
    place = folder / "pool" if config.pool is None else Path(config.pool)
    counts: dict[Purpose, int] = {"training": config.examples, "measuring": config.held_out}
    asked = {
        purpose: examples_for(purpose, config.data, most, config.seed)
        for purpose, most in counts.items()
    }
    total, done = sum(map(len, asked.values())), count(1)
    asking = _asking(config, reader)

    def follow(outcome: Outcome) -> None:
        on_done(next(done), total, outcome.resumed)

    training, held_out = (
        _records(config, asking, examples, place / purpose, follow)
        for purpose, examples in asked.items()
    )
    return Pool.of(training, held_out)


def _asking(config: PoolConfig, reader: Reader) -> Reader:
    """Return the reader with the config's prompt and longest answer."""
    return Reader(
        reader.model,
        reader.tokenizer,
        reader.estimator,
        reader.settings,
        prompt=config.template,
        max_new_tokens=config.max_new_tokens,
    )


def _records(
    config: PoolConfig,
    reader: Reader,
    examples: Sequence[TrainingExample],
    folder: Path,
    follow: Callable[[Outcome], None],
) -> list[TrainingRecord]:
    collect(
        reader,
        examples,
        folder,
        num_ablations=config.num_ablations,
        source_unit=config.source_unit,
        seed=config.seed,
        copying=True,
        detail=config.with_detail,
        progress=follow,
    )
    # A shared folder may hold more, which another experiment asked for.
    wanted = {example.id for example in examples}
    return [record for record in load_collected(folder).records if record.id in wanted]


def draw(records: Sequence[TrainingRecord], size: int, salt: str) -> list[TrainingRecord]:
    """Return so many of the records at random, or all if there are fewer, in their order.

    Args:
        records: To draw from.
        size: How many.
        salt: The same gives the same.
    """
    places = Random(salt).sample(range(len(records)), min(size, len(records)))
    return [records[place] for place in sorted(places)]


def with_ablations(record: TrainingRecord, size: int, salt: str) -> TrainingRecord:
    """Return a record with so many of its random ablations; what is known by source stays.

    Args:
        record: Of any number of ablations.
        size: How many; at most as many as it has.
        salt: The same gives the same; each record has its own draw.
    """
    rows = sorted(Random(f"{salt} {record.id}").sample(range(len(record.masks)), size))
    return replace(
        record,
        masks=record.masks[rows],
        features=record.features[:, rows],
        outputs=record.outputs[:, rows],
        log_probabilities=record.log_probabilities[:, rows],
    )
