"""Fitting an estimator of any kind to records."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from at2_rag.estimators import ScoreEstimator
from at2_rag.training import (
    FitResult,
    FitWarning,
    NetworkOptions,
    TrainingRecord,
    fit,
    fit_network,
)


@dataclass(frozen=True)
class FitOptions:
    """How estimators are fitted.

    Attributes:
        steps: Steps of the paper's descent.
        network_steps: Steps of a network's training.
        network_batch: Statements in a step of a network's training.
        judged: Whether each fit holds out a fifth of its examples, is measured on them, and warns
            where they say little. Without, it learns from all; for those who measure it on others.
    """

    steps: int = 1000
    network_steps: int = 300
    network_batch: int = 8
    judged: bool = False

    @property
    def share(self) -> dict[str, Any]:
        """What a fit is told of how many examples to hold out."""
        return {} if self.judged else {"held_out": 0.0}


def _linear(records: Sequence[TrainingRecord], options: FitOptions, seed: int) -> FitResult:
    return fit(_plain(records), steps=options.steps, **options.share, seed=seed)


def _ridge(records: Sequence[TrainingRecord], options: FitOptions, seed: int) -> FitResult:
    return fit(_plain(records), method="ridge", seed=seed)


def _copying(records: Sequence[TrainingRecord], options: FitOptions, seed: int) -> FitResult:
    return fit(records, method="ridge", seed=seed)


def _network(records: Sequence[TrainingRecord], options: FitOptions, seed: int) -> FitResult:
    network = NetworkOptions(steps=options.network_steps, batch_size=options.network_batch)
    return fit_network(records, network, **options.share, seed=seed)


def _plain(records: Sequence[TrainingRecord]) -> list[TrainingRecord]:
    return [record.without_copying for record in records]


_FITS: Mapping[str, Callable[[Sequence[TrainingRecord], FitOptions, int], FitResult]] = {
    "linear": _linear,
    "ridge": _ridge,
    "copying": _copying,
    "network": _network,
}

#: Kinds that experiments compare: the paper's coefficients by its descent, copying coefficients by
#: a ridge, and a network over sources. ``"ridge"`` beside them is the paper's by a ridge.
ESTIMATORS = ("linear", "copying", "network")


def fit_kind(
    kind: str, records: Sequence[TrainingRecord], options: FitOptions, seed: int
) -> ScoreEstimator:
    """Fit an estimator to records; scores are all that is asked of it, so it is not calibrated.

    Args:
        kind: What to fit, one of :data:`ESTIMATORS`, or ``"ridge"``.
        records: What it is fitted to. A ridge keeps a random fifth of them to choose its strength
            on, in any case.
        options: How long the fit takes, and whether it is judged.
        seed: What batches, first weights and held-out examples are drawn with.

    Raises:
        NumericalError: If no ablation moved anything, or training diverged.
    """
    with warnings.catch_warnings():
        if not options.judged:
            # They are about what fit() holds out itself.
            warnings.simplefilter("ignore", FitWarning)
        return _FITS[kind](records, options, seed).estimator
