"""Methods measured on one task at a time, and put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from at2_rag.ablation.task import AttributionTask
from at2_rag.evaluation import Comparison, compare
from at2_rag.evaluation.results import Estimate, MeasuredTarget, Measurement, Timing
from at2_rag.methods import AttributionMethod

from at2_rag_experiments.base import Record
from at2_rag_experiments.estimates import mean_over

#: Fields of a ``Comparison`` that a record has; the summaries follow from them.
_KEPT = (
    "methods",
    "ks",
    "num_ablations",
    "min_spread",
    "seed",
    "targets",
    "measurements",
    "timings",
)


def dependent_targets(comparison: Comparison) -> set[tuple[int, int]]:
    """Return the (example, target) of each target that depends on its sources."""
    return {(t.example, t.target) for t in comparison.targets if t.dependent}


def share_of_firsts(
    comparison: Comparison, hit: Callable[[Measurement], bool | None]
) -> dict[str, Estimate]:
    """Return, by method, how often the source that it scores highest is one that counts.

    Args:
        comparison: All methods on all targets; those that depend on their sources are looked at.
        hit: Tells whether the first source of a measurement counts; ``None`` leaves it out.
    """
    moved = dependent_targets(comparison)
    found: dict[str, list[tuple[int, float]]] = {name: [] for name in comparison.methods}
    for m in comparison.measurements:
        if (m.example, m.target) in moved and (counts := hit(m)) is not None:
            found[m.method].append((m.example, counts))
    return {name: mean_over(hits) for name, hits in found.items()}


def in_short(comparison: Comparison) -> Record:
    """Return a comparison in plain JSON types, without measurements, which are in the records."""
    return {
        "examples": comparison.examples,
        "statements": len(comparison.targets),
        "dependent": comparison.dependent,
        "ablations": comparison.num_ablations,
        "methods": [asdict(summary) for summary in comparison.summaries],
    }


def measured(
    task: AttributionTask,
    methods: Sequence[AttributionMethod],
    ks: Sequence[int],
    ablations: int,
    seed: int,
) -> Record:
    """Measure methods on one task.

    Args:
        task: The answer to explain.
        methods: The methods to measure, of different names.
        ks: Numbers of sources that the top-k drops leave out.
        ablations: Random ablations, shared by all methods.
        seed: What the ablations are drawn with.

    Returns:
        Plain JSON types: the number of sources, and what a ``Comparison`` is made of. ``{}`` where
        there is no statement or no source.

    Raises:
        NumericalError: If the model or a method produced NaN.
    """
    if not (task.targets and task.sources):
        return {}
    found = compare([task], methods, ks=ks, num_ablations=ablations, seed=seed).to_dict()
    return {"sources": len(task.sources), **{name: found[name] for name in _KEPT}}


def merged(records: Sequence[Record]) -> Comparison | None:
    """Return the comparison that measuring all tasks in one go would have given.

    Args:
        records: Records that :func:`measured` returned, all told the same; an example is the place
            among them.

    Returns:
        The comparison; ``None`` if nothing was measured.
    """
    usable = {index: record for index, record in enumerate(records) if record}
    if not usable:
        return None

    def placed(name: str) -> list[dict[str, Any]]:
        return [
            {**found, "example": index}
            for index, record in usable.items()
            for found in record[name]
        ]

    first = next(iter(usable.values()))
    return Comparison(
        tuple(first["methods"]),
        tuple(first["ks"]),
        first["num_ablations"],
        first["min_spread"],
        first["seed"],
        len(records) - len(usable),
        tuple(MeasuredTarget(**found) for found in placed("targets")),
        tuple(
            Measurement(**{**found, "drops": tuple(found["drops"])})
            for found in placed("measurements")
        ),
        tuple(Timing(**found) for found in placed("timings")),
    )
