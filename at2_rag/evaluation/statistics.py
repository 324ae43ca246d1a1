"""Correlations of predictions with what ablations did, one per target (section 2, 3.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: A target depends on its sources if random ablations move its log-probability over at least
#: this range, in nats: some subset of the sources makes it twice as likely as some other. The
#: others are mostly statements that repeat the answer, and what moves them is noise.
DEPENDENT_SPREAD = math.log(2.0)

#: Standard deviations below this share of the largest number are rounding, and no movement.
_ROUNDING = 1e-6


def pearson(predictions: Tensor, outputs: Tensor) -> Tensor:
    """Return (…,): Pearson correlations over the last dimension; differentiable.

    Where one side is constant there is no correlation; 0 is returned, with a gradient of 0.

    Args:
        predictions: (…, ablations): what is predicted for each ablation.
        outputs: (…, ablations): what each ablation really came to.
    """
    a, b = _standardised(predictions), _standardised(outputs)
    return (a * b).sum(dim=-1)


def spearman(predictions: Tensor, outputs: Tensor) -> Tensor:
    """Return (…,): Spearman's rank correlations over the last dimension, ties averaged.

    With the sums of the scores of the sources kept, or any increasing function of them, as
    predictions, this is the linear datamodeling score (definition 2.3).

    Args:
        predictions: (…, ablations): what is predicted for each ablation.
        outputs: (…, ablations): what each ablation really came to.
    """
    return pearson(ranks(predictions), ranks(outputs))


def ranks(values: Tensor) -> Tensor:
    """Return the ranks, from 1, over the last dimension; equal values share their mean rank."""
    values = values.contiguous()
    ordered = values.sort(dim=-1).values
    below = torch.searchsorted(ordered, values, right=False)
    up_to = torch.searchsorted(ordered, values, right=True)
    return (below + up_to + 1).double() / 2


def is_constant(values: Tensor) -> Tensor:
    """Return (…,): whether nothing but rounding moves along the last dimension."""
    size = values.abs().amax(dim=-1, keepdim=True)
    # As shares of the largest, since squares of very small numbers vanish.
    shares = values / torch.where(size > 0, size, 1.0)
    return shares.std(dim=-1, correction=0) <= _ROUNDING


def mean_and_error(values: Tensor) -> tuple[float, float | None]:
    """Return the mean and its standard error, ``None`` for a single value.

    Args:
        values: (n,): the values to take the mean of, independent of each other.
    """
    if len(values) < 2:
        return float(values.mean()), None
    return float(values.mean()), float(values.std() / len(values) ** 0.5)


def _standardised(values: Tensor) -> Tensor:
    """Return the values centred and of length 1, or 0 where they are constant."""
    constant = is_constant(values.detach())[..., None]
    centred = torch.where(constant, 0.0, values - values.mean(dim=-1, keepdim=True))
    # Squares of very small numbers vanish; what is divided by makes no difference to the result.
    size = centred.detach().abs().amax(dim=-1, keepdim=True)
    centred = centred / torch.where(constant, 1.0, size)
    # The square root has no gradient at 0, and a NaN is not cured by multiplying it with 0.
    squares = torch.where(constant, 1.0, centred.square().sum(dim=-1, keepdim=True))
    return centred / squares.sqrt()
