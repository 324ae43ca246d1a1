"""Several methods' scores together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from at2_rag.ablation.task import AttributionTask
from at2_rag.errors import InputError
from at2_rag.methods.base import AttributionMethod, checked_scores


@dataclass(frozen=True)
class BlendMethod:
    """The mean of several methods' scores, each as shares of all that it found for a statement.

    Shares have no unit, so methods that count in different ones can be blended. What a method
    scores below 0 counts as nothing.

    Attributes:
        methods: The methods to blend, at least two.
    """

    methods: tuple[AttributionMethod, ...]

    def __post_init__(self) -> None:
        if len(self.methods) < 2:
            raise InputError(
                f"BlendMethod was given {len(self.methods)} methods; expected at least two, such "
                'as those of method_by_name("at2+bm25", estimator).'
            )

    @property
    def name(self) -> str:
        """Names of the methods with ``+`` between them."""
        return "+".join(method.name for method in self.methods)

    def scores(self, task: AttributionTask) -> Tensor:
        """Return (targets, sources): shares, from 0 to 1.

        Raises:
            InputError: If a method returned scores of another shape.
            NumericalError: If the model or a method produced NaN.
        """
        return torch.stack([_shares(checked_scores(m, task)) for m in self.methods]).mean(dim=0)

    def forward_passes(self, task: AttributionTask) -> float:
        """Return what all methods take."""
        return sum(method.forward_passes(task) for method in self.methods)


def _shares(scores: Tensor) -> Tensor:
    """Return (targets, sources) that add up to 1 for each target, or to 0 where nothing is."""
    positive = scores.clamp(min=0)
    total = positive.sum(dim=1, keepdim=True)
    return torch.where(total > 0, positive / total.clamp(min=torch.finfo(total.dtype).tiny), 0.0)
