"""Attention knockout: what becomes of an answer that cannot look at a source."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from at2_rag.ablation.masking import each_alone
from at2_rag.ablation.task import AttributionTask
from at2_rag.errors import InputError


@dataclass(frozen=True)
class KnockoutMethod:
    """The drop in a target's log-probability, in nats, when a source alone is hidden from it.

    As leave-one-out, but hidden from what comes behind all sources only, which is the end of the
    prompt and the answer ("attention knockout", Geva et al., arXiv 2304.14767). Only these few
    tokens are run again for each source; what other sources took in from it still counts. With
    ``best``, only sources that score well already are tried, and the others have 0.

    Attributes:
        best: How many sources of each target to try, those with the best scores in the task's
            answer; ``None`` for all.
    """

    best: int | None = None

    def __post_init__(self) -> None:
        if self.best is not None and self.best < 1:
            raise InputError(f"best is {self.best}; expected at least 1, or None to try all.")

    @property
    def name(self) -> str:
        """``"knockout"``, or ``"knockout-4"`` where the best 4 are tried."""
        return "knockout" if self.best is None else f"knockout-{self.best}"

    def scores(self, task: AttributionTask) -> Tensor:
        """Return (targets, sources).

        Raises:
            NumericalError: If the model produced NaN.
            UnsupportedModelError: If the model has layers other than attention.
        """
        tried = self._tried(task)
        if not tried.any():
            return torch.zeros(tried.shape)
        log_p = (
            task.ablator_with((), by="knockout")
            .ablate(each_alone(tried.any(dim=0)))
            .log_probabilities(task.targets)
        )
        scores = torch.zeros(tried.shape)
        scores[:, tried.any(dim=0)] = (log_p[:, :1] - log_p[:, 1:]).float()
        return scores * tried

    def forward_passes(self, task: AttributionTask) -> float:
        """Return 1, for the pass that reads the answer, and the part of one that is run again."""
        tried = self._tried(task)
        if not tried.any():
            return 1.0
        return (
            replace(task, known=None)
            .ablator_with((), by="knockout")
            .cost(each_alone(tried.any(dim=0)))
        )

    def _tried(self, task: AttributionTask) -> Tensor:
        """Return (targets, sources): what is tried."""
        shape = len(task.targets), len(task.sources)
        if self.best is None or self.best >= len(task.sources):
            return torch.ones(shape, dtype=torch.bool)
        tried = torch.zeros(shape, dtype=torch.bool)
        scores = task.answer.attribution.scores
        for row, (start, end) in zip(tried, task.targets, strict=True):
            row[scores[:, start:end].sum(dim=1).topk(self.best).indices] = True
        return tried
