"""Records of compared methods: how they are made, and what they add up to (sections 2.2, 4.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import torch
from at2_rag.ablation.task import AttributionTask
from at2_rag.evaluation.results import Comparison, Estimate, Measurement
from at2_rag.evaluation.statistics import pearson
from at2_rag.methods.base import AttributionMethod
from torch import Tensor

from at2_rag_experiments.base import Record
from at2_rag_experiments.comparison.timing import costs, step_seconds, time_beyond
from at2_rag_experiments.comparison.training import ORIGINS, label, papers_own
from at2_rag_experiments.estimates import mean_over
from at2_rag_experiments.measuring import in_short, measured, merged
from at2_rag_experiments.methods import PROBED, SHIPPED

#: What the paper reports; the drop of the last is in the figure.
KS = (1, 3, 5)


@dataclass(frozen=True)
class Lead:
    """How far one method is ahead of another, statement by statement.

    Attributes:
        method: Name of the method that may be ahead.
        other: Name of the method that it is compared with.
        lds: Difference of their linear datamodeling scores, on dependent statements.
        drop: Difference of their top-5 drops, in nats, on all statements.
    """

    method: str
    other: str
    lds: Estimate
    drop: Estimate


@dataclass(frozen=True)
class UnitResults:
    """What was found with sources of one unit.

    Attributes:
        unit: What a source is.
        comparison: All methods on all statements.
        sources: Mean number of sources of an example.
        leads: How far methods are ahead of others, by pairs.
        costs: What steps take, as in figure 4c, in forward passes.
        beyond: What each method takes beyond writing the answer, in forward passes.
    """

    unit: str
    comparison: Comparison
    sources: float
    leads: tuple[Lead, ...]
    costs: Mapping[str, float]
    beyond: Mapping[str, float]

    def to_dict(self) -> Record:
        """Return plain JSON types, without the measurements, which are in the records."""
        return {
            **in_short(self.comparison),
            "without_statement": self.comparison.skipped,
            "sources": self.sources,
            "leads": [asdict(lead) for lead in self.leads],
            "costs": dict(self.costs),
            "beyond": dict(self.beyond),
        }


@dataclass(frozen=True)
class ComparisonResults:
    """What the comparison found.

    Attributes:
        units: What was found with each unit of the sources.
        too_long: How many examples do not fit the model's context.
        learned: Coefficients and metrics of what was learned, by name.
        agreement: By kind of coefficients, the Pearson correlation over heads of those learned in
            general with those learned from the task.
        half_in: By name, in how many layers half of the sizes of all coefficients are, counting
            those that have most first.
    """

    units: tuple[UnitResults, ...]
    too_long: int
    learned: Mapping[str, Any]
    agreement: Mapping[str, float]
    half_in: Mapping[str, int]

    def to_dict(self) -> Record:
        """Return plain JSON types."""
        return {
            "units": {found.unit: found.to_dict() for found in self.units},
            "too_long": self.too_long,
            "learned": dict(self.learned),
            "agreement": dict(self.agreement),
            "half_in": dict(self.half_in),
        }


def timed(
    task: AttributionTask, methods: Sequence[AttributionMethod], ablations: int, seed: int
) -> Record:
    """Measure methods on one task, and the seconds of single steps.

    Returns:
        Plain JSON types; ``{}`` where there is no statement or no source.

    Raises:
        NumericalError: If the model or a method produced NaN.
    """
    found = measured(task, methods, KS, ablations, seed)
    return {**found, "seconds": step_seconds(task, methods)} if found else {}


def summarize(records: Sequence[Record], learned: Mapping[str, Any]) -> ComparisonResults | None:
    """Put the records of examples together; ``None`` if none of them could be measured.

    Args:
        records: Records of examples, each with ``units``: what :func:`timed` returned, by unit, or
            ``None`` for too long a context.
        learned: What was learned, as ``Learned.record`` tells it.
    """
    fitting = [record["units"] for record in records if record["units"] is not None]
    names = dict.fromkeys(unit for units in fitting for unit, found in units.items() if found)
    if not names:
        return None
    units = tuple(_unit_results(name, [units[name] for units in fitting]) for name in names)
    too_long = len(records) - len(fitting)
    return ComparisonResults(units, too_long, learned, _agreement(learned), half_in(learned))


def _unit_results(unit: str, records: Sequence[Record]) -> UnitResults:
    usable = [record for record in records if record]
    found = merged(usable)
    assert found is not None  # a unit is there because something was measured with it
    comparison = replace(found, skipped=len(records) - len(usable))
    steps = costs(comparison, [record["seconds"] for record in usable])
    return UnitResults(
        unit,
        comparison,
        sum(record["sources"] for record in usable) / len(usable),
        _leads(comparison),
        steps,
        time_beyond(comparison, steps),
    )


def _leads(comparison: Comparison) -> tuple[Lead, ...]:
    there = comparison.methods
    learned = [*papers_own(there), SHIPPED, PROBED]
    asked = [name for name in there if "(" not in name and name not in (SHIPPED, PROBED, "random")]
    pairs = list(product(learned, asked))
    general, special = ORIGINS
    kinds = dict.fromkeys(name.partition(" (")[0] for name in there if "(" in name)
    pairs += [(label(kind, special), label(kind, general)) for kind in kinds]
    # Learned on tokens, or on sentences.
    pairs += [(label("at2", origin), label("at2-sentences", origin)) for origin in ORIGINS]
    return tuple(_lead(comparison, a, b) for a, b in pairs if a in there and b in there)


def _lead(comparison: Comparison, method: str, other: str) -> Lead:
    moved = {(t.example, t.target): t.dependent for t in comparison.targets}
    by_place = [
        {(m.example, m.target): m for m in comparison.measurements if m.method == name}
        for name in (method, other)
    ]

    def ahead(places: Sequence[tuple[int, int]], of: Callable[[Measurement], float]) -> Estimate:
        return mean_over((p[0], of(by_place[0][p]) - of(by_place[1][p])) for p in places)

    dependent = [place for place, depends in moved.items() if depends]
    return Lead(
        method, other, ahead(dependent, lambda m: m.lds), ahead(list(moved), lambda m: m.drops[-1])
    )


def _agreement(learned: Mapping[str, Any]) -> dict[str, float]:
    tables = {name: found["coefficients"] for name, found in learned.items()}
    kinds = dict.fromkeys(name.partition(" (")[0] for name, table in tables.items() if table)
    return {
        kind: float(
            pearson(*(torch.tensor(tables[label(kind, origin)]).flatten() for origin in ORIGINS))
        )
        for kind in kinds
    }


def half_in(learned: Mapping[str, Any]) -> dict[str, int]:
    """Return in how many layers half of the sizes of all coefficients are, by name.

    Args:
        learned: What was learned; what has not one coefficient for each head is left out.
    """
    tables = {name: found["coefficients"] for name, found in learned.items()}
    return {name: _layers_of_half(torch.tensor(table)) for name, table in tables.items() if table}


def _layers_of_half(coefficients: Tensor) -> int:
    """Return the fewest layers whose coefficients' sizes add up to half of all."""
    by_layer = coefficients.abs().sum(dim=1).sort(descending=True).values
    return int((by_layer.cumsum(dim=0) < by_layer.sum() / 2).sum()) + 1
