"""How far coefficients depend on chance: on seeds, and on which examples and ablations were drawn.

The paper fits once. Here the same is fitted many times, and what comes out is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import torch
from at2_rag.errors import InputError
from at2_rag.estimators import LinearEstimator
from at2_rag.training import TrainingRecord

from at2_rag_experiments.base import Record, Report
from at2_rag_experiments.fitting.fits import fit_kind
from at2_rag_experiments.fitting.pool import Pool, PoolConfig, PoolExperiment, draw, with_ablations
from at2_rag_experiments.fitting.quality import quality, reference_qualities, statement_scores
from at2_rag_experiments.stability.report import draw as draw_figure
from at2_rag_experiments.stability.report import tables
from at2_rag_experiments.stability.results import summarize

#: What chance decides: the seed of the fit alone; which half of the examples it is fitted to; which
#: half of each one's ablations; or two halves of the examples that share none.
KINDS = ("seed", "examples", "ablations", "disjoint")


@dataclass(frozen=True)
class CoefficientStabilityConfig(PoolConfig):
    """What the experiment on stability can be told.

    Attributes:
        seeds: How often each kind of chance is tried; a ``disjoint`` one is two fits.
        kinds: Kinds of chance, what each decides, of :data:`KINDS`.
    """

    seeds: int = 5
    kinds: tuple[str, ...] = KINDS

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seeds < 2:
            raise InputError(f"seeds is {self.seeds}; expected at least 2, to be compared.")
        if not self.kinds or not set(self.kinds) <= set(KINDS):
            raise InputError(f"kinds is {self.kinds!r}; expected any of {', '.join(KINDS)}.")


@dataclass(frozen=True)
class Chance:
    """One draw.

    Attributes:
        kind: What it decides, one of :data:`KINDS`.
        seed: What it is drawn with.
        examples: Training examples that the pool was asked for, of which half may be drawn.
    """

    kind: str
    seed: int
    examples: int

    @property
    def id(self) -> str:
        """Everything that is drawn by, in a name."""
        return f"{self.kind}-{self.seed}-of-{self.examples}"

    @property
    def fingerprint(self) -> str:
        """The id again; whatever else its record depends on is in the run's config."""
        return self.id


@dataclass(frozen=True)
class CoefficientStability(PoolExperiment[Chance]):
    """Fits each estimator again and again, and keeps coefficients, scores and quality."""

    name = "coefficient-stability"
    config: CoefficientStabilityConfig = CoefficientStabilityConfig()

    def items(self) -> Sequence[Chance]:
        """Return every kind of chance with every seed."""
        told = self.config
        return [Chance(*place, told.examples) for place in product(told.kinds, range(told.seeds))]

    def measure(self, subject: Pool, item: Chance) -> Record:
        """Return each estimator fitted to what was drawn, and how good it is.

        Raises:
            NumericalError: If no ablation moved anything, or training diverged.
        """
        parts = drawn(subject.training, item)
        # Everything else is the same each time, so that the fits differ by what was drawn alone.
        seed = item.seed if item.kind == "seed" else 0
        shape = subject.statements.shape
        dependent = subject.dependent
        return {
            "kind": item.kind,
            "examples": [len(part) for part in parts],
            "layers": shape.layers,
            "heads": shape.heads,
            "statements": int(subject.statements.moved.sum()),
            # Of each dependent statement, which held-out example it is of.
            "example": subject.statements.example[dependent].tolist(),
            "by_source": subject.held_out[0].detail is not None,
            "references": reference_qualities(subject),
            "fits": {
                name: [self._fit(name, part, seed, subject) for part in parts]
                for name in self.config.fitted
            },
        }

    def report(self, records: Sequence[Record]) -> Report:
        """Return tables, figure and results."""
        found = summarize(records)
        return Report(found.to_dict(), tables(found), partial(draw_figure, found), (11.0, 4.4))

    def _fit(self, name: str, part: Sequence[TrainingRecord], seed: int, pool: Pool) -> Record:
        estimator = fit_kind(name, part, self.config.options, seed, pool.probed)
        learned = isinstance(estimator, LinearEstimator)
        return {
            "coefficients": _short(estimator.weightings.flatten()) if learned else None,
            "quality": quality(estimator, pool),
            "scores": [_short(row) for row in statement_scores(estimator, pool)],
        }


def drawn(records: Sequence[TrainingRecord], chance: Chance) -> list[Sequence[TrainingRecord]]:
    """Return what is fitted to: one list of records, or two for ``disjoint``.

    Args:
        records: The training records of the pool.
        chance: What chance decides, and how it falls.
    """
    salt, half = f"{chance.kind}-{chance.seed}", len(records) // 2
    if chance.kind == "seed":
        return [records]
    if chance.kind == "ablations":
        return [[with_ablations(record, len(record.masks) // 2, salt) for record in records]]
    first = draw(records, half, salt)
    if chance.kind == "examples":
        return [first]
    taken = {record.id for record in first}
    others = [record for record in records if record.id not in taken]
    # As many in both, where the number is odd.
    return [first, others[:half]]


def _short(values: torch.Tensor) -> list[float]:
    """Return numbers with as many digits as mean something."""
    return [float(f"{value:.5g}") for value in values.tolist()]
