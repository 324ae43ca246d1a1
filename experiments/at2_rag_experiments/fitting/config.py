"""What experiments can be told that fit estimators and compare them with other methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from at2_rag.errors import InputError
from at2_rag.training import TrainingExample

from at2_rag_experiments.base import ExperimentConfig
from at2_rag_experiments.fitting.fits import ESTIMATORS, FitOptions
from at2_rag_experiments.fitting.learning import Lot

#: Beside the estimators that are fitted.
METHODS = ("random", "average-attention", "gradient", "leave-one-out", "esm-32")


@dataclass(frozen=True)
class LearningConfig(ExperimentConfig):
    """What such experiments can be told.

    Attributes:
        num_passages: Fewest and most passages of an example about a world.
        training_examples: Examples that estimators are fitted to, for each that is fitted.
        num_ablations: Random ablations of each of these examples.
        fit_steps: Steps of the paper's descent.
        network_steps: Steps of a network's training.
        network_batch: Statements in a step of a network's training.
        methods: Methods to compare with, of :data:`at2_rag.methods.METHOD_NAMES` but ``at2``.
        estimators: Kinds that are fitted, of :data:`at2_rag_experiments.fitting.fits.ESTIMATORS`.
        measured_ablations: Random ablations of each measured example.
    """

    num_passages: tuple[int, int] = (4, 8)
    training_examples: int = 60
    num_ablations: int = 32
    fit_steps: int = 1000
    network_steps: int = 400
    network_batch: int = 8
    methods: tuple[str, ...] = METHODS
    estimators: tuple[str, ...] = ESTIMATORS
    measured_ablations: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_least(training_examples=4, num_ablations=4)
        if not set(self.estimators) <= set(ESTIMATORS) or "at2" in self.methods:
            raise InputError(
                f"methods are {self.methods!r} and estimators {self.estimators!r}; expected "
                f"methods without at2, and any estimators of {', '.join(ESTIMATORS)}."
            )

    @property
    def options(self) -> FitOptions:
        """How estimators are fitted."""
        return FitOptions(self.fit_steps, self.network_steps, self.network_batch)

    def lot(self, examples: Sequence[TrainingExample]) -> Lot:
        """Return what is learned from examples."""
        return Lot(examples, self.estimators, self.num_ablations, seed=self.seed)
