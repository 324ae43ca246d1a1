"""Random scores: what a method must beat."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from at2_rag.ablation.task import AttributionTask
from at2_rag.methods.base import task_seed


@dataclass(frozen=True)
class RandomMethod:
    """Normal scores of mean 0, drawn from a seed.

    Were they all positive, their sum would grow with the number of sources kept, and so would
    predict ablations better than chance.

    Attributes:
        seed: Which scores are drawn; the same seed draws the same scores for the same task.
    """

    seed: int = 0

    @property
    def name(self) -> str:
        """``"random"``."""
        return "random"

    def scores(self, task: AttributionTask) -> Tensor:
        """Return (targets, sources)."""
        generator = torch.Generator().manual_seed(task_seed("random", self.seed, task))
        return torch.randn(len(task.targets), len(task.sources), generator=generator)

    def forward_passes(self, task: AttributionTask) -> float:
        """Return 0."""
        return 0.0
