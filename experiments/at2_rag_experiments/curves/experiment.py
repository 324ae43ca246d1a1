"""How many examples, and how many ablations of each, are enough to learn from.

The paper trains on 2,000 examples with 32 ablations each, and does not vary either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from statistics import fmean

from at2_rag.errors import InputError
from at2_rag.estimators import ScoreEstimator
from at2_rag.training import TrainingRecord

from at2_rag_experiments.base import Record, Report
from at2_rag_experiments.curves.report import draw as draw_figure
from at2_rag_experiments.curves.report import tables
from at2_rag_experiments.curves.results import summarize
from at2_rag_experiments.fitting.fits import fit_kind
from at2_rag_experiments.fitting.pool import Pool, PoolConfig, PoolExperiment, draw, with_ablations
from at2_rag_experiments.fitting.quality import quality, reference_qualities

#: A ridge holds out an example at least, to choose its strength on.
_FEWEST_EXAMPLES = 2
#: A correlation of two ablations is 1 or -1 whatever the scores.
_FEWEST_ABLATIONS = 3


@dataclass(frozen=True)
class LearningCurvesConfig(PoolConfig):
    """What the experiment on learning curves can be told.

    Attributes:
        sizes: Numbers of examples to learn from; those beyond the pool are left out.
        ablations: Numbers of ablations of each example; those beyond what is collected are left
            out.
        repeats: How many draws there are for each pair of these.
    """

    sizes: tuple[int, ...] = (10, 20, 40, 80, 160, 320)
    ablations: tuple[int, ...] = (4, 8, 16, 32)
    repeats: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.repeats < 2:
            raise InputError(f"repeats is {self.repeats}; expected at least 2, for an error.")
        for name, fewest, most in (
            ("sizes", _FEWEST_EXAMPLES, self.examples),
            ("ablations", _FEWEST_ABLATIONS, self.num_ablations),
        ):
            told = getattr(self, name)
            if min(told, default=0) < fewest or min(told) > most:
                raise InputError(
                    f"{name} is {told}; expected numbers from {fewest} on, at least one of them "
                    f"not above the pool's {most}."
                )

    @property
    def grid(self) -> list[tuple[int, int]]:
        """Pairs of examples and ablations that the pool is large enough for, ascending."""
        sizes = sorted({size for size in self.sizes if size <= self.examples})
        ablations = sorted({size for size in self.ablations if size <= self.num_ablations})
        return list(product(sizes, ablations))


@dataclass(frozen=True)
class Drawn:
    """One draw from the pool.

    Attributes:
        examples: How many examples are drawn.
        ablations: How many ablations of each example are drawn.
        repeat: Which draw of as many this is.
        pool: Training examples that the pool was asked for.
    """

    examples: int
    ablations: int
    repeat: int
    pool: int

    @property
    def id(self) -> str:
        """Everything that is drawn by, in a name."""
        return f"{self.examples}x{self.ablations}-{self.repeat}-of-{self.pool}"

    @property
    def fingerprint(self) -> str:
        """The id again; whatever else its record depends on is in the run's config."""
        return self.id


@dataclass(frozen=True)
class LearningCurves(PoolExperiment[Drawn]):
    """Fits each estimator to more and more examples and ablations.

    Networks take long to train, so they are trained with the most ablations alone.
    """

    name = "learning-curves"
    config: LearningCurvesConfig = LearningCurvesConfig()

    def items(self) -> Sequence[Drawn]:
        """Return every pair of the grid with every repeat."""
        told = self.config
        return [
            Drawn(*pair, repeat, told.examples)
            for pair, repeat in product(told.grid, range(told.repeats))
        ]

    def measure(self, subject: Pool, item: Drawn) -> Record:
        """Return how good each estimator is, fitted to what was drawn.

        Raises:
            NumericalError: If no ablation moved anything, or training diverged.
        """
        records = drawn(subject.training, item)
        most = max(ablations for _, ablations in self.config.grid)
        names = [n for n in self.config.fitted if n != "network" or item.ablations == most]
        return {
            # Fewer than asked for, where nothing could be learned from some of the pool.
            "examples": len(records),
            "ablations": item.ablations,
            "repeat": item.repeat,
            "asked": item.examples,
            "pool": len(subject.training),
            "held_out": subject.statements.examples,
            "dependent": int(subject.dependent.sum()),
            "alone": fmean(map(_passes_alone, subject.training)),
            "references": reference_qualities(subject),
            "fits": {
                name: quality(self._fitted(name, records, item, subject), subject) for name in names
            },
        }

    def _fitted(
        self, name: str, records: Sequence[TrainingRecord], item: Drawn, pool: Pool
    ) -> ScoreEstimator:
        return fit_kind(name, records, self.config.options, item.repeat, pool.probed)

    def report(self, records: Sequence[Record]) -> Report:
        """Return tables, figure and results."""
        found = summarize(records)
        return Report(found.to_dict(), tables(found), partial(draw_figure, found), (11.0, 4.0))


def drawn(records: Sequence[TrainingRecord], item: Drawn) -> list[TrainingRecord]:
    """Return the examples of a draw with the ablations of that draw.

    Args:
        records: The training records of the pool.
        item: How many examples and ablations to draw.
    """
    chosen = draw(records, item.examples, item.id)
    return [with_ablations(record, item.ablations, item.id) for record in chosen]


def _passes_alone(record: TrainingRecord) -> int:
    """Return how many passes a record's detail took: nothing left out, all, and each alone."""
    detail = record.detail
    return 0 if detail is None else 2 + len(detail.owners) + len(detail.targets)
