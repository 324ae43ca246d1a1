"""Collect records of examples, fit estimators to them, keep both, and load them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from at2_rag.documents.sources import SourceUnit
from at2_rag.estimators import ScoreEstimator
from at2_rag.reader import Reader
from at2_rag.training import Outcome, TrainingExample, TrainingRecord, collect, load_collected

from at2_rag_experiments.base import OnDone
from at2_rag_experiments.fitting.fits import FitOptions, fit_kind


@dataclass(frozen=True)
class Lot:
    """Examples to learn from together, and what is to be learned.

    Attributes:
        examples: The examples, for the reader to answer.
        kinds: Kinds of estimators that its records are for, as :func:`fit_kind` takes them.
        num_ablations: Random ablations of each answer.
        source_unit: What is ablated; where networks are wanted, no smaller than a sentence, since
            leaving out each source alone takes a pass for each.
        seed: What ablations and fits are drawn with.
    """

    examples: Sequence[TrainingExample]
    kinds: tuple[str, ...]
    num_ablations: int = 32
    source_unit: SourceUnit = "sentence"
    seed: int = 0


def collected(lot: Lot, reader: Reader, folder: Path, on_done: OnDone) -> list[TrainingRecord]:
    """Collect the records of a lot, or go on collecting them, and load them.

    Args:
        lot: What to collect.
        reader: The reader whose model is explained; its estimator plays no part.
        folder: Folder that each record is kept in as soon as it is there. It may hold records of
            more examples, which other experiments asked for.
        on_done: Called after each example.

    Raises:
        InputError: If the folder holds records of another run.
        FileFormatError: If a file is damaged.
        DiskFullError: If the disk is full; everything before is stored.
    """
    done = count(1)

    def follow(outcome: Outcome) -> None:
        on_done(next(done), len(lot.examples), outcome.resumed)

    collect(
        reader,
        lot.examples,
        folder,
        num_ablations=lot.num_ablations,
        source_unit=lot.source_unit,
        seed=lot.seed,
        copying="copying" in lot.kinds,
        detail="network" in lot.kinds,
        progress=follow,
    )
    wanted = {example.id for example in lot.examples}
    return [record for record in load_collected(folder).records if record.id in wanted]


def learned(
    lot: Lot, options: FitOptions, reader: Reader, folder: Path, on_done: OnDone
) -> dict[str, ScoreEstimator]:
    """Collect the records of a lot and fit its estimators, or load what was fitted before.

    Args:
        lot: What to learn, and from what.
        options: How the estimators are fitted.
        reader: The reader whose model is explained; its estimator plays no part.
        folder: Folder that records and estimators are kept in, each as soon as it is there.
        on_done: Called after each example.

    Returns:
        The estimators by their kind, as they are loaded from the folder.

    Raises:
        InputError: If the folder holds records of another run.
        FileFormatError: If a file is damaged.
        DiskFullError: If the disk is full; everything before is stored.
        NumericalError: If no ablation moved anything, or training diverged.
    """
    places = {kind: folder / "estimators" / kind for kind in lot.kinds}
    missing = {kind: place for kind, place in places.items() if not place.exists()}
    records = collected(lot, reader, folder / "collected", on_done) if missing else []
    for kind, place in missing.items():
        fit_kind(kind, records, options, lot.seed).save(place)
    return {kind: ScoreEstimator.load(place) for kind, place in places.items()}
