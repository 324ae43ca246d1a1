"""Fitting an estimator of any kind to records."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from at2_rag.errors import InputError
from at2_rag.estimators import LinearEstimator, ScoreEstimator
from at2_rag.training import (
    FitWarning,
    NetworkOptions,
    TrainingRecord,
    fit,
    fit_from,
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


@dataclass(frozen=True)
class _Fit:
    """One fit: to what, how, and from where."""

    records: Sequence[TrainingRecord]
    options: FitOptions
    seed: int
    prior: LinearEstimator | None

    @property
    def plain(self) -> list[TrainingRecord]:
        """The records without the features of copying coefficients."""
        return [record.without_copying for record in self.records]

    def from_prior(self, *, copying: bool) -> LinearEstimator:
        """Return what is learned from the prior on."""
        if self.prior is None:
            raise InputError(
                "An estimator is to be learned from probed heads on, and the reader has none; "
                "expected one with estimator='probed', which probing its model gives."
            )
        return fit_from(self.prior, self.records, copying=copying, seed=self.seed)


def _linear(told: _Fit) -> ScoreEstimator:
    options = told.options
    return fit(told.plain, steps=options.steps, **options.share, seed=told.seed).estimator


def _ridge(told: _Fit) -> ScoreEstimator:
    return fit(told.plain, method="ridge", seed=told.seed).estimator


def _copying(told: _Fit) -> ScoreEstimator:
    return fit(told.records, method="ridge", seed=told.seed).estimator


def _network(told: _Fit) -> ScoreEstimator:
    options = told.options
    network = NetworkOptions(steps=options.network_steps, batch_size=options.network_batch)
    return fit_network(told.records, network, **options.share, seed=told.seed).estimator


_FITS: Mapping[str, Callable[[_Fit], ScoreEstimator]] = {
    "linear": _linear,
    "ridge": _ridge,
    "copying": _copying,
    "network": _network,
    "from-probed": lambda told: told.from_prior(copying=False),
    "from-probed-copying": lambda told: told.from_prior(copying=True),
}

#: Kinds that experiments compare where they are told nothing else: the paper's coefficients by its
#: descent, copying coefficients by a ridge, and a network over sources.
ESTIMATORS = ("linear", "copying", "network")
#: Everything that can be fitted: ``"ridge"`` is the paper's by a ridge, and ``"from-probed"`` and
#: ``"from-probed-copying"`` are ridges that pull towards probed heads, not to 0.
FITTED_KINDS = tuple(_FITS)
#: Those that begin with heads found by probing the model.
FROM_PROBED = ("from-probed", "from-probed-copying")


def fit_kind(
    kind: str,
    records: Sequence[TrainingRecord],
    options: FitOptions,
    seed: int,
    prior: LinearEstimator | None = None,
) -> ScoreEstimator:
    """Fit an estimator to records; scores are all that is asked of it, so it is not calibrated.

    Args:
        kind: What to fit, one of :data:`FITTED_KINDS`.
        records: What it is fitted to. A ridge keeps a random fifth of them to choose its strength
            on, in any case; one that begins with a prior chooses it across folds of all.
        options: How long the fit takes, and whether it is judged.
        seed: What batches, first weights and held-out examples are drawn with.
        prior: The estimator that those of :data:`FROM_PROBED` begin with.

    Raises:
        InputError: If there is no prior for one that begins with it.
        NumericalError: If no ablation moved anything, or training diverged.
    """
    with warnings.catch_warnings():
        if not options.judged:
            # They are about what fit() holds out itself.
            warnings.simplefilter("ignore", FitWarning)
        return _FITS[kind](_Fit(records, options, seed, prior))
