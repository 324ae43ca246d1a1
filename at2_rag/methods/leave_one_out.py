"""Leave-one-out: what ablating each source alone does."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from at2_rag.ablation.masking import each_alone
from at2_rag.ablation.task import AttributionTask


@dataclass(frozen=True)
class LeaveOneOutMethod:
    """The drop in a target's log-probability, in nats, when a source alone is ablated.

    That of the highest-scoring source is the top-1 drop (definition 2.2), which no other method
    can exceed. Two sources that say the same can hide each other: either alone is not missed.
    """

    @property
    def name(self) -> str:
        """``"leave-one-out"``."""
        return "leave-one-out"

    def scores(self, task: AttributionTask) -> Tensor:
        """Return (targets, sources)."""
        if not task.targets:
            return torch.zeros(0, len(task.sources))
        masks = each_alone(torch.ones(len(task.sources), dtype=torch.bool))
        log_p = task.ablator().ablate(masks).log_probabilities(task.targets)
        return (log_p[:, :1] - log_p[:, 1:]).float()

    def forward_passes(self, task: AttributionTask) -> float:
        """Return one for each source, and one with all of them."""
        return 1.0 + len(task.sources)
