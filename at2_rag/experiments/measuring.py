"""Methods measured on one task at a time, and put together again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from at2_rag.correlation import DEPENDENT_SPREAD
from at2_rag.evaluation import Comparison, compare
from at2_rag.evaluation.results import MeasuredTarget, Measurement, Timing
from at2_rag.experiments.base import Record
from at2_rag.methods import AttributionMethod
from at2_rag.task import AttributionTask


def measured(
    task: AttributionTask,
    methods: Sequence[AttributionMethod],
    ks: Sequence[int],
    ablations: int,
    seed: int,
) -> Record:
    """Measure methods on one task.

    Args:
        task: What to explain.
        methods: Of different names.
        ks: Of the top-k drops.
        ablations: Random ablations, shared by all methods.
        seed: Of these.

    Returns:
        Plain JSON types: the number of sources, and the targets, measurements and timings of a
        ``Comparison``. ``{}`` where there is no statement or no source.

    Raises:
        NumericalError: If the model or a method produced NaN.
    """
    if not (task.targets and task.sources):
        return {}
    found = compare([task], methods, ks=ks, num_ablations=ablations, seed=seed).to_dict()
    kept = {name: found[name] for name in ("targets", "measurements", "timings")}
    return {"sources": len(task.sources), **kept}


def merged(
    records: Sequence[Record], ks: Sequence[int], ablations: int, seed: int
) -> Comparison | None:
    """Return the comparison that measuring all tasks in one go would have given.

    Args:
        records: From :func:`measured`.
        ks: As it was told.
        ablations: The same.
        seed: The same.

    Returns:
        The comparison; ``None`` if nothing was measured.
    """
    usable = [record for record in records if record]
    if not usable:
        return None

    def placed(name: str) -> list[dict[str, Any]]:
        return [
            {**found, "example": index}
            for index, record in enumerate(usable)
            for found in record[name]
        ]

    measurements = placed("measurements")
    return Comparison(
        tuple(dict.fromkeys(found["method"] for found in measurements)),
        tuple(ks),
        ablations,
        DEPENDENT_SPREAD,
        seed,
        len(records) - len(usable),
        tuple(MeasuredTarget(**found) for found in placed("targets")),
        tuple(Measurement(**{**found, "drops": tuple(found["drops"])}) for found in measurements),
        tuple(Timing(**found) for found in placed("timings")),
    )
