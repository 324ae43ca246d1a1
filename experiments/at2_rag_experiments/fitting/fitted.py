"""The same estimators, fitted in the same way to each of several readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from at2_rag.estimators import ScoreEstimator
from at2_rag.estimators.files import save_whole
from at2_rag.reader import Reader
from at2_rag.training import Outcome, TrainingExample, collect, load_collected

from at2_rag_experiments.base import OnDone
from at2_rag_experiments.fitting.refits import FitOptions, refit


@dataclass(frozen=True)
class FittingPlan:
    """What is fitted, and to what.

    Attributes:
        names: Of :data:`at2_rag_experiments.fitting.pool.ESTIMATORS`.
        examples: To learn from.
        num_ablations: Random ablations of each.
        seed: Of the ablations and the fits.
        options: Steps of descent and of networks.
    """

    names: tuple[str, ...]
    examples: Sequence[TrainingExample]
    num_ablations: int
    seed: int
    options: FitOptions


def fit_all(
    plan: FittingPlan, reader: Reader, folder: Path, on_done: OnDone
) -> dict[str, ScoreEstimator]:
    """Collect and fit, or load what was fitted before.

    Args:
        plan: What to fit.
        reader: Whose model is explained; its estimator plays no part.
        folder: Keeps records and estimators, each as soon as it is there.
        on_done: Called after each example.

    Raises:
        InputError: If the folder holds records of another run.
        FileFormatError: If a file is damaged.
        DiskFullError: If the disk is full.
        NumericalError: If no ablation moved anything, or training diverged.
    """
    places = {name: folder / "estimators" / name for name in plan.names}
    if not all(place.exists() for place in places.values()):
        _collect(plan, reader, folder / "collected", on_done)
        records = load_collected(folder / "collected").records
        for name, place in places.items():
            if not place.exists():
                save_whole(refit(name, records, plan.seed, plan.options), place)
    return {name: ScoreEstimator.load(place) for name, place in places.items()}


def _collect(plan: FittingPlan, reader: Reader, folder: Path, on_done: OnDone) -> None:
    done = count(1)

    def follow(outcome: Outcome) -> None:
        on_done(next(done), len(plan.examples), outcome.resumed)

    collect(
        reader,
        plan.examples,
        folder,
        num_ablations=plan.num_ablations,
        source_unit="sentence",
        seed=plan.seed,
        copying=True,
        detail="network" in plan.names,
        progress=follow,
    )
