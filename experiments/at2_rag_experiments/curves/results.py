"""What was learned from how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

from at2_rag.evaluation.results import Estimate

from at2_rag_experiments.base import Record
from at2_rag_experiments.estimates import mean_of

#: What is this close to the best is as good, in LDS, unless chance moves the best by more.
SLACK = 0.01


@dataclass(frozen=True)
class Cell:
    """One estimator learned from so much.

    Attributes:
        examples: How many examples it was learned from.
        ablations: How many ablations of each example.
        dependent: LDS on held-out statements that depend on their sources; mean and error over
            draws.
        all: LDS on all held-out statements, in the same way.
    """

    examples: int
    ablations: int
    dependent: Estimate
    all: Estimate

    @property
    def cost(self) -> int:
        """Ablations of all examples together; a forward pass each."""
        return self.examples * self.ablations

    @property
    def lds(self) -> float:
        """The mean on dependent statements."""
        return self.dependent.mean or 0.0


@dataclass(frozen=True)
class Curve:
    """One estimator over the grid.

    Attributes:
        estimator: Name of the estimator.
        cells: What came of each size, by number of examples, then of ablations.
        doubled: LDS on dependent statements with twice the examples and half the ablations of
            each, less that without: mean over all such pairs of cells, and its error over draws;
            without a mean where there is no such pair.
        pairs: How many pairs of cells there are to tell that from.
    """

    estimator: str
    cells: tuple[Cell, ...]
    doubled: Estimate
    pairs: int

    @property
    def best(self) -> Cell:
        """The cell with the highest LDS."""
        return max(self.cells, key=lambda cell: cell.lds)

    @property
    def enough(self) -> Cell:
        """The cheapest cell that is as good as the best; of several, the best of them.

        As good is within :data:`SLACK`, or one standard error of the best, whichever is larger.
        """
        slack = max(SLACK, self.best.dependent.standard_error or 0.0)
        good = [cell for cell in self.cells if cell.lds >= self.best.lds - slack]
        return min(good, key=lambda cell: (cell.cost, -cell.lds))

    def cell(self, examples: int, ablations: int) -> Cell | None:
        """Return a cell; ``None`` if there is none."""
        found = {(cell.examples, cell.ablations): cell for cell in self.cells}
        return found.get((examples, ablations))


@dataclass(frozen=True)
class CurvesResults:
    """Everything that was learned from so much.

    Attributes:
        pool: How many examples were drawn from.
        held_out: How many examples were measured on.
        dependent: How many of their statements depend on their sources.
        repeats: How many draws there are for each cell.
        held_out_error: Standard error of one fit's LDS on dependent statements over held-out
            examples, on average; the same examples for all fits.
        references: LDS of what nothing is fitted for, by name, on dependent statements, as
            :func:`at2_rag_experiments.fitting.quality.reference_qualities` gives it.
        alone: Passes for an example that only a network learns from, on average: sources and
            statements left out one by one; 0 where they were not collected.
        curves: The curve of each estimator.
    """

    pool: int
    held_out: int
    dependent: int
    repeats: int
    held_out_error: float
    references: dict[str, float]
    alone: float
    curves: tuple[Curve, ...]

    def curve(self, estimator: str) -> Curve:
        """Return an estimator's curve.

        Raises:
            KeyError: If there is none.
        """
        return {curve.estimator: curve for curve in self.curves}[estimator]

    def to_dict(self) -> Record:
        """Return plain JSON types."""
        found = asdict(self)
        for told, curve in zip(found["curves"], self.curves, strict=True):
            told |= {"best": asdict(curve.best), "enough": asdict(curve.enough)}
        return found


def summarize(records: Sequence[Record]) -> CurvesResults:
    """Summarise the records of :class:`at2_rag_experiments.curves.experiment.LearningCurves`."""
    names = list(dict.fromkeys(name for record in records for name in record["fits"]))
    errors = [
        fit["dependent"]["lds_error"] for record in records for fit in record["fits"].values()
    ]
    return CurvesResults(
        records[0]["pool"],
        records[0]["held_out"],
        records[0]["dependent"],
        len({record["repeat"] for record in records}),
        fmean(error or 0.0 for error in errors),
        {name: found["dependent"]["lds"] for name, found in records[0]["references"].items()},
        records[0]["alone"],
        tuple(_curve(name, [r for r in records if name in r["fits"]]) for name in names),
    )


def _curve(name: str, records: Sequence[Record]) -> Curve:
    asked = sorted({(record["asked"], record["ablations"]) for record in records})
    groups = [[r for r in records if (r["asked"], r["ablations"]) == pair] for pair in asked]
    pairs = [
        (few, more)
        for few in asked
        for more in asked
        if (few[0] * 2, few[1]) == (more[0], more[1] * 2)
    ]
    lds = {(r["asked"], r["ablations"], r["repeat"]): _lds(name, r) for r in records}
    repeats = sorted({record["repeat"] for record in records})
    # Cells of one draw have nothing in common with those of another but the pool.
    gains = [fmean(lds[*more, i] - lds[*few, i] for few, more in pairs) for i in repeats if pairs]
    return Curve(name, tuple(_cell(name, group) for group in groups), mean_of(gains), len(pairs))


def _cell(name: str, records: Sequence[Record]) -> Cell:
    return Cell(
        records[0]["examples"],
        records[0]["ablations"],
        mean_of(_lds(name, record) for record in records),
        mean_of(_lds(name, record, "all") for record in records),
    )


def _lds(name: str, record: Record, statements: str = "dependent") -> float:
    found: float = record["fits"][name][statements]["lds"]
    return found
