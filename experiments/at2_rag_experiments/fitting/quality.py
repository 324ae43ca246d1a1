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
        weights = _by_feature(estimator)
        return _quality(pool.statements.features[..., : len(weights)] @ weights, pool)
    return _quality(predictions_of(estimator, pool.held_out), pool)


def reference_qualities(pool: Pool) -> Record:
    """Return :func:`quality` of what nothing is fitted for, by name.

    Returns:
        ``"average attention"``; ``"probed heads"``, where the reader came with them; and
        ``"leave-one-out"``, where the effect of leaving out each source is known.
    """
    found = {"average attention": quality(LinearEstimator.uniform_of(pool.statements.shape), pool)}
    if pool.probed is not None:
        found["probed heads"] = quality(pool.probed, pool)
    if all(record.detail is not None for record in pool.held_out):
        alone = torch.cat([_kept_effects(record) for record in pool.held_out])
        found["leave-one-out"] = _quality(alone, pool)
    return found


def _quality(predictions: Tensor, pool: Pool) -> Record:
    return {
        "all": asdict(pool.statements.quality(predictions)),
        "dependent": asdict(pool.statements.quality(predictions, DEPENDENT_SPREAD)),
    }


def _by_feature(estimator: LinearEstimator) -> Tensor:
    """Return (features,): what each counts for; attention, and then attention to equal tokens."""
    copying = estimator.copying_weights
    tables = [estimator.coefficients] if copying is None else [estimator.coefficients, copying]
    return torch.cat([table.flatten() for table in tables])


def _kept_effects(record: TrainingRecord) -> Tensor:
    """Return (statements, ablations): how far leaving each source out alone lowers a statement.

    Summed over the sources that each ablation kept.
    """
    detail = record.required_detail()
    return (detail.whole[:, None] - detail.alone) @ record.masks.float().T


@torch.inference_mode()
def statement_scores(estimator: ScoreEstimator, pool: Pool) -> list[Tensor]:
    """Return the scores of each held-out statement that depends on its sources.

    Returns:
        (sources,) for each; or, where no detail was collected, (ablations,): the sums of the
        scores of the sources that each ablation kept.
    """
    known = all(record.detail is not None for record in pool.held_out)
    if isinstance(estimator, LinearEstimator) and not known:
        weights = _by_feature(estimator)
        found = list(pool.statements.features[..., : len(weights)] @ weights)
    else:
        found = [row for record in pool.held_out for row in _by_source(estimator, record)]
    return [row for row, depends in zip(found, pool.dependent.tolist(), strict=True) if depends]


def _by_source(estimator: ScoreEstimator, record: TrainingRecord) -> list[Tensor]:
    detail = record.required_detail()
    rated = detail.rated(estimator)[:, : len(detail.owners)]
    return [rated[start:end].mean(dim=0) for start, end in detail.targets]
