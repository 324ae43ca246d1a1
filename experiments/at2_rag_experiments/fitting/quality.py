"""How good estimators are on the held-out examples of a pool."""

from __future__ import annotations

from dataclasses import asdict

import torch
from at2_rag.estimators import LinearEstimator, ScoreEstimator
from at2_rag.evaluation.statistics import DEPENDENT_SPREAD
from at2_rag.training import TrainingRecord
from at2_rag.training.network_fit import predictions_of
from torch import Tensor

from at2_rag_experiments.base import Record
from at2_rag_experiments.fitting.pool import Pool


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
