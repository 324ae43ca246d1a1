"""Fitting to part of a pool, and what came of it on held-out examples."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from at2_rag.estimators import LinearEstimator, ScoreEstimator
from at2_rag.evaluation.statistics import DEPENDENT_SPREAD
from at2_rag.training import FitWarning, NetworkOptions, TrainingRecord, fit, fit_network
from at2_rag.training.network_fit import predictions_of
from torch import Tensor

from at2_rag_experiments.base import Record
from at2_rag_experiments.fitting.pool import Pool, PoolConfig


@dataclass(frozen=True)
class FitOptions:
    """How long fits take.

    Attributes:
        steps: Of the paper's descent.
        network_steps: Of a network's training.
        network_batch: Statements in a step of it.
    """

    steps: int = 1000
    network_steps: int = 300
    network_batch: int = 8


def fit_options(config: PoolConfig) -> FitOptions:
    """Return how long a config wants fits to take."""
    return FitOptions(config.steps, config.network_steps, config.network_batch)


def refit(
    name: str, records: Sequence[TrainingRecord], seed: int, options: FitOptions
) -> ScoreEstimator:
    """Fit an estimator to records, none of which it is measured on.

    Args:
        name: One of :data:`at2_rag_experiments.fitting.pool.ESTIMATORS`.
        records: To fit to. ``copying`` keeps a random fifth of them to choose its strength on.
        seed: Of batches, of first weights, and of that fifth.
        options: Steps of descent and of networks.

    Raises:
        NumericalError: If no ablation moved anything, or training diverged.
    """
    with warnings.catch_warnings():
        # They are about what fit() holds out itself, and the pool has its own held-out examples.
        warnings.simplefilter("ignore", FitWarning)
        if name == "network":
            steps, batch = options.network_steps, options.network_batch
            network = NetworkOptions(steps=steps, batch_size=batch)
            return fit_network(records, network, held_out=0.0, seed=seed).estimator
        if name == "copying":
            return fit(records, method="ridge", seed=seed).estimator
        plain = [record.without_copying for record in records]
        return fit(plain, steps=options.steps, held_out=0.0, seed=seed).estimator


def quality(estimator: ScoreEstimator, pool: Pool) -> Record:
    """Return how well an estimator predicts ablations of the held-out examples.

    Returns:
        ``"all"`` and ``"dependent"`` statements, each a :class:`at2_rag.training.Quality`.
    """
    if isinstance(estimator, LinearEstimator):
        weights = estimator.weightings.flatten()
        predictions = pool.statements.features[..., : len(weights)] @ weights
    else:
        predictions = predictions_of(estimator, pool.held_out)
    return {
        "all": asdict(pool.statements.quality(predictions)),
        "dependent": asdict(pool.statements.quality(predictions, DEPENDENT_SPREAD)),
    }


def average_quality(pool: Pool) -> Record:
    """Return :func:`quality` of average attention."""
    return quality(LinearEstimator.uniform_of(pool.statements.shape), pool)


@torch.inference_mode()
def statement_scores(estimator: ScoreEstimator, pool: Pool) -> list[Tensor]:
    """Return the scores of each held-out statement that depends on its sources.

    Returns:
        (sources,) for each; or, where no detail was collected, (ablations,): the sums of the
        scores of the sources that each ablation kept.
    """
    if all(record.detail is not None for record in pool.held_out):
        found = [row for record in pool.held_out for row in _by_source(estimator, record)]
    else:
        weights = estimator.weightings.flatten()
        found = list(pool.statements.features[..., : len(weights)] @ weights)
    return [row for row, depends in zip(found, pool.dependent.tolist(), strict=True) if depends]


def _by_source(estimator: ScoreEstimator, record: TrainingRecord) -> list[Tensor]:
    detail = record.detail
    if detail is None:
        return []
    rated = detail.rated(estimator)[:, : len(detail.owners)]
    return [rated[start:end].mean(dim=0) for start, end in detail.targets]
