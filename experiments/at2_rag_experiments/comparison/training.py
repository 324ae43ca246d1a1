"""Learning estimators from a general task and from the one that is measured (section 4, A.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, get_args

from at2_rag.documents.sources import SourceUnit
from at2_rag.estimators import ScoreEstimator
from at2_rag.estimators.files import save_whole
from at2_rag.reader import Reader
from at2_rag.training import (
    Collected,
    FitResult,
    NetworkOptions,
    Outcome,
    TrainingExample,
    TrainingRecord,
    collect,
    fit,
    fit_network,
    load_collected,
)

from at2_rag_experiments.base import WORLDS, OnDone, Record
from at2_rag_experiments.examples import examples_for

#: What examples are learned from: of any kind, or of the kind that is measured.
Origin = Literal["general", "task"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)

#: Facts that the questions about worlds take: those to learn from in general, those measured.
GENERAL_HOPS, MEASURED_HOPS = (1,), (2,)


@dataclass(frozen=True)
class TrainingPlan:
    """What is learned, and from what.

    Attributes:
        data: What is measured on, as ``examples_for`` takes it.
        general: Where other data stand for learning in general; not used with worlds.
        kinds: Of :data:`KINDS`.
        examples: To learn from, of each origin.
        ablations: Of each of them.
        fit_steps: Of the paper's descent.
        network_steps: Of training a network.
        seed: Of the examples, the ablations and the fits.
    """

    data: str
    general: str
    kinds: tuple[str, ...]
    examples: int
    ablations: int
    fit_steps: int
    network_steps: int
    seed: int

    @property
    def runs(self) -> list[tuple[Origin, SourceUnit]]:
        """What is collected, in this order: from what, and what its sources are."""
        units = dict.fromkeys(KINDS[kind].unit for kind in self.kinds)
        return list(product(ORIGINS, units))

    def examples_of(self, origin: Origin) -> list[TrainingExample]:
        """Return the examples of one origin.

        Raises:
            InputError: If there is no such data, or too little of it.
            FileFormatError: If a file cannot be read.
            MissingResourceError: If the hub does not give the data.
        """
        special = origin == "task"
        hops = MEASURED_HOPS if special else GENERAL_HOPS
        data = self.data if special or self.data == WORLDS else self.general
        return examples_for("training", data, self.examples, self.seed, hops=hops)


def _linear(records: Sequence[TrainingRecord], plan: TrainingPlan, unit: SourceUnit) -> FitResult:
    plain = [record.without_copying for record in records]
    return fit(plain, steps=plan.fit_steps, seed=plan.seed, source_unit=unit)


def _copying(records: Sequence[TrainingRecord], plan: TrainingPlan, unit: SourceUnit) -> FitResult:
    return fit(records, method="ridge", seed=plan.seed, source_unit=unit)


def _network(records: Sequence[TrainingRecord], plan: TrainingPlan, unit: SourceUnit) -> FitResult:
    options = NetworkOptions(steps=plan.network_steps)
    return fit_network(records, options, seed=plan.seed, source_unit=unit)


@dataclass(frozen=True)
class Kind:
    """A kind of estimator to learn.

    Attributes:
        unit: What the sources of its training examples are.
        learn: Fits one to records.
    """

    unit: SourceUnit
    learn: Callable[[Sequence[TrainingRecord], TrainingPlan, SourceUnit], FitResult]


#: By name: the paper's own, the same learned on sentences, and the two kinds that go beyond it.
KINDS: Mapping[str, Kind] = {
    "at2": Kind("token", _linear),
    "at2-sentences": Kind("sentence", _linear),
    "copying": Kind("sentence", _copying),
    "network": Kind("sentence", _network),
}


@dataclass(frozen=True, eq=False)
class Learned:
    """What was learned.

    Attributes:
        estimators: By the name that they are compared under, such as ``"at2 (general)"``.
    """

    estimators: Mapping[str, ScoreEstimator]

    @property
    def record(self) -> Record:
        """Coefficients, and how well each estimator did on held-out training examples."""
        return {
            name: {
                "kind": estimator.kind,
                "coefficients": _coefficients(estimator),
                "metrics": estimator.metadata["metrics"],
            }
            for name, estimator in self.estimators.items()
        }


def _coefficients(estimator: ScoreEstimator) -> list[list[float]] | None:
    """Return (layers, heads); ``None`` for what has more than one coefficient for a head."""
    if estimator.kind != "linear":
        return None
    rows: list[list[float]] = estimator.head_weights.tolist()
    return rows


def label(kind: str, origin: Origin) -> str:
    """Return the name that an estimator is compared under."""
    return f"{kind} ({origin})"


def learn_all(plan: TrainingPlan, reader: Reader, folder: Path, on_done: OnDone) -> Learned:
    """Collect and fit everything, or load what was learned before.

    Each example's record and each estimator is kept in the folder as soon as it is there.

    Args:
        plan: What to learn.
        reader: Whose model is explained, with the settings to answer with.
        folder: To keep everything in.
        on_done: Follows the examples that are collected.

    Raises:
        InputError: If the data cannot be used, or the folder holds other records.
        FileFormatError: If a file is damaged.
        MissingResourceError: If the hub does not give the data.
        DiskFullError: If the disk is full.
        NumericalError: If there is nothing to learn from.
    """
    wanted = {label(kind, origin): (kind, origin) for kind in plan.kinds for origin in ORIGINS}
    places = {
        name: folder / "estimators" / f"{kind}-{origin}" for name, (kind, origin) in wanted.items()
    }
    if missing := [name for name, place in places.items() if not place.exists()]:
        collected = _collect_all(plan, reader, folder, on_done)
        for name in missing:
            kind, origin = wanted[name]
            unit = KINDS[kind].unit
            found = KINDS[kind].learn(collected[origin, unit].records, plan, unit)
            save_whole(found.estimator, places[name])
    return Learned({name: ScoreEstimator.load(place) for name, place in places.items()})


def _collect_all(
    plan: TrainingPlan, reader: Reader, folder: Path, on_done: OnDone
) -> dict[tuple[Origin, SourceUnit], Collected]:
    examples = {origin: plan.examples_of(origin) for origin in ORIGINS}
    total = sum(len(examples[origin]) for origin, _ in plan.runs)
    found, done = {}, 0
    for origin, unit in plan.runs:

        def follow(outcome: Outcome) -> None:
            nonlocal done
            done += 1
            on_done(done, total, outcome.resumed)

        place = folder / "collected" / f"{unit}-{origin}"
        # Leaving out every token alone would take as many passes as there are tokens.
        sentences = unit == "sentence"
        collect(
            reader,
            examples[origin],
            place,
            num_ablations=plan.ablations,
            source_unit=unit,
            seed=plan.seed,
            progress=follow,
            copying=sentences and "copying" in plan.kinds,
            detail=sentences and "network" in plan.kinds,
        )
        found[origin, unit] = load_collected(place)
    return found
