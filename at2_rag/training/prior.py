"""Learning from few examples: a ridge that pulls towards heads found by probing, not to 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from at2_rag.errors import NumericalError
from at2_rag.estimators import LinearEstimator
from at2_rag.training.dataset import Statements
from at2_rag.training.records import TrainingRecord, prompts_of
from at2_rag.training.solvers import RIDGE_STRENGTHS, Ridge

_FOLDS = 5


def fit_from(
    prior: LinearEstimator,
    records: Sequence[TrainingRecord],
    *,
    copying: bool = False,
    seed: int = 0,
    strengths: Sequence[float] = RIDGE_STRENGTHS,
    provenance: Mapping[str, Any] | None = None,
) -> LinearEstimator:
    """Learn by how much each head counts more or less than an estimator says.

    With a strong ridge the estimator stays as it is; the strength is the one that does best across
    folds of the examples.

    Args:
        prior: The estimator to begin with.
        records: What was collected.
        copying: Whether to learn copying coefficients as well, from records that have their
            features; where the prior compares tokens, they are learned in any case.
        seed: Which examples fall into which fold; the same seed divides them in the same way.
        strengths: Strengths of the ridge to choose from.
        provenance: What the records come from, for the metadata.

    Raises:
        NumericalError: If no ablation moved anything.
    """
    copying = copying or prior.compares_tokens
    found = Statements.of(records if copying else [each.without_copying for each in records])
    statements = found.where(found.moved)
    if not len(statements.outputs):
        raise NumericalError(
            f"No ablation moved any statement of the {len(records)} records; expected answers that "
            "depend on the passages. Collect other examples."
        )
    start = prior.coefficients.flatten()
    if copying:
        more = prior.copying_weights
        more = torch.zeros_like(prior.coefficients) if more is None else more
        start = torch.cat([start, more.flatten()])
    strength = _best_strength(statements, start, strengths, len(records), seed)
    solved = Ridge(statements, bias=False).solve_from(start, strength)
    solved = solved / solved.abs().sum().clamp_min(torch.finfo(solved.dtype).tiny)
    plain, *more_of = solved.view(-1, *prior.coefficients.shape)
    chosen = {"method": "ridge from another", "ridge": strength, "seed": seed}
    metadata = {
        "fit": chosen,
        "collected": dict(provenance or {}),
        "prompts": list(prompts_of(records)),
    }
    return LinearEstimator(plain, more_of[0] if more_of else None, metadata=metadata)


def _best_strength(
    statements: Statements, start: Tensor, strengths: Sequence[float], examples: int, seed: int
) -> float:
    """Return the strength of the highest mean correlation on folds that were left out."""
    order = torch.randperm(examples, generator=torch.Generator().manual_seed(seed))
    fold = (order % min(_FOLDS, examples))[statements.example]
    totals = dict.fromkeys(strengths, 0.0)
    for left_out in sorted(set(fold.tolist())):
        others, judged = statements.where(fold != left_out), statements.where(fold == left_out)
        if not len(others.outputs):
            continue
        ridge = Ridge(others, bias=False)
        for strength in strengths:
            predictions = judged.features @ ridge.solve_from(start, strength)
            totals[strength] += (judged.quality(predictions).pearson or 0.0) * judged.examples
    # Of strengths that do the same, the one that changes least.
    return max(sorted(strengths, reverse=True), key=lambda strength: totals[strength])
