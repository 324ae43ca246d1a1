"""Learning estimators from a general task and from the one that is measured (section 4, A.5)."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, get_args

from at2_rag.documents.sources import SourceUnit
from at2_rag.estimators import ScoreEstimator
from at2_rag.reader import Reader
from at2_rag.training import NetworkOptions, TrainingExample

from at2_rag_experiments.base import WORLDS, OnDone, Record
from at2_rag_experiments.examples import examples_for
from at2_rag_experiments.fitting.fits import FitOptions
from at2_rag_experiments.fitting.learning import Lot, learned

#: What examples are learned from: of any kind, or of the kind that is measured.
Origin = Literal["general", "task"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)

#: Facts that the questions about worlds take: those to learn from in general, those measured.
GENERAL_HOPS, MEASURED_HOPS = (1,), (2,)


@dataclass(frozen=True)
class TrainingPlan:
    """What is learned, and from what.

    Attributes:
        data: Name of the data that are measured on, as ``examples_for`` takes it.
        general: Name of the data to learn from in general; not used with worlds.
        kinds: Names of what is learned, of :data:`KINDS`.
        num_passages: Fewest and most passages of an example about a world.
        examples: How many examples of each origin are learned from.
        ablations: Random ablations of each of these examples.
        fit_steps: Steps of the paper's descent.
        network_steps: Steps of a network's training.
        seed: What examples, ablations and fits are drawn with.
    """

    data: str
    general: str
    kinds: tuple[str, ...]
    num_passages: tuple[int, int]
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

    def lot(self, origin: Origin, unit: SourceUnit) -> Lot:
        """Return what is learned in one run; errors are those of :meth:`examples_of`."""
        fits = tuple(KINDS[kind].fit for kind in self.kinds if KINDS[kind].unit == unit)
        return Lot(self.examples_of(origin), fits, self.ablations, unit, self.seed)

    @property
    def options(self) -> FitOptions:
        """How estimators are fitted: judged by examples that they have not seen."""
        batch = NetworkOptions.batch_size
        return FitOptions(self.fit_steps, self.network_steps, batch, judged=True)

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
        return examples_for(
            "training",
            data,
            self.examples,
            self.seed,
            num_passages=self.num_passages,
            hops=hops,
            whole=data != self.data,
        )


@dataclass(frozen=True)
class Kind:
    """A kind of estimator to learn.

    Attributes:
        unit: What the sources of its training examples are.
        fit: How it is fitted, as :func:`at2_rag_experiments.fitting.fits.fit_kind` names it.
    """

    unit: SourceUnit
    fit: str


#: By name: the paper's own, the same learned on sentences, there by a ridge as well, and the two
#: kinds that go beyond it.
KINDS: Mapping[str, Kind] = {
    "at2": Kind("token", "linear"),
    "at2-sentences": Kind("sentence", "linear"),
    "at2-ridge": Kind("sentence", "ridge"),
    "copying": Kind("sentence", "copying"),
    "network": Kind("sentence", "network"),
}


@dataclass(frozen=True, eq=False)
class Learned:
    """What was learned.

    Attributes:
        estimators: The estimators, by the name that they are compared under, such as ``"at2
            (general)"``.
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


def papers_own(there: Container[str]) -> list[str]:
    """Return the names of the paper's estimators, of each origin: one coefficient for each head.

    Learned on tokens as in the paper, or where that is not compared, on sentences; none where
    neither is.

    Args:
        there: Names of what is compared.
    """
    for kind, its in KINDS.items():
        names = [label(kind, origin) for origin in ORIGINS]
        if its.fit in ("linear", "ridge") and all(name in there for name in names):
            return names
    return []


def learn_all(plan: TrainingPlan, reader: Reader, folder: Path, on_done: OnDone) -> Learned:
    """Collect and fit everything, or load what was learned before.

    Args:
        plan: What to learn.
        reader: The reader whose model is explained, with the settings to answer with.
        folder: Folder that everything is kept in, with one for each origin and unit of sources.
        on_done: Called after each example that is collected, of each of these.

    Raises:
        InputError: If the data cannot be used, or the folder holds other records.
        FileFormatError: If a file is damaged.
        MissingResourceError: If the hub does not give the data.
        DiskFullError: If the disk is full.
        NumericalError: If there is nothing to learn from.
    """
    found = {
        (origin, unit): learned(
            plan.lot(origin, unit), plan.options, reader, folder / f"{unit}-{origin}", on_done
        )
        for origin, unit in plan.runs
    }
    return Learned(
        {
            label(kind, origin): found[origin, KINDS[kind].unit][KINDS[kind].fit]
            for kind, origin in product(plan.kinds, ORIGINS)
        }
    )
