"""How long methods take, and the pass that they are compared with (figure 4c)."""

from __future__ import annotations

from time import perf_counter

import torch
from torch import Tensor

from at2_rag.ablation.task import AttributionTask
from at2_rag.methods.base import AttributionMethod, answer_logits, checked_scores, input_tokens


def timed_scores(method: AttributionMethod, task: AttributionTask) -> tuple[Tensor, float]:
    """Return a method's scores, (targets, sources), and the seconds that they took.

    Raises:
        InputError: If the scores are not of that shape.
        NumericalError: If they hold NaN or infinity.
    """
    start = perf_counter()
    # Scores come back on the CPU, so a device has finished when they are there.
    scores = checked_scores(method, task)
    return scores, perf_counter() - start


@torch.inference_mode()
def forward_seconds(task: AttributionTask) -> float:
    """Return what one forward pass over prompt and answer takes, the shorter of two."""
    tokens = input_tokens(task)

    def once() -> float:
        start = perf_counter()
        answer_logits(task, input_ids=tokens)[:, 0].cpu()
        return perf_counter() - start

    return min(once(), once())
