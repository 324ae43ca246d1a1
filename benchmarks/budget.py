"""Time: what a measurement will take, and whether there is so much left."""

from __future__ import annotations

import time

import torch
from transformers import PreTrainedModel

from benchmarks.clock import now
from benchmarks.shapes import Shape, random_ids

#: What generating a token takes for each byte of weights: they are all read once, at a little less
#: than 10 GB a second. For estimates only.
STEP_SECONDS_PER_BYTE = 1.5e-10


class Budget:
    """The time that a run may take.

    Args:
        total: How long the whole run may take, in seconds.
        point: How long one measurement with all its rounds may take, in seconds.
    """

    def __init__(self, total: float, point: float) -> None:
        self._total, self._point = total, point
        self._began = time.monotonic()
        self._deadline = total

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def open_section(self, share: float) -> None:
        """Let what follows run until this share of the total is over."""
        self._deadline = share * self._total

    def refusal(self, seconds: float) -> str:
        """Return why a measurement of so many seconds is not to be made; empty if it is."""
        if seconds > self._point:
            return f"about {seconds:.0f} s a round, of {self._point:.0f} s for a measurement"
        left = self._deadline - self.elapsed
        if seconds > left:
            return f"about {seconds:.0f} s a round, with {max(left, 0):.0f} s left for this section"
        return ""

    def rounds(self, seconds: float, most: int) -> int:
        """Return how many rounds of so many seconds there is time for, from 1 to ``most``."""
        left = min(self._point, self._deadline - self.elapsed)
        return max(1, int(min(most, left / max(seconds, 1e-9))))


@torch.inference_mode()
def measured_rate(shape: Shape, model: PreTrainedModel) -> float:
    """Return the model's floating-point operations per second, on a short text."""
    device = model.get_input_embeddings().weight.device
    tokens = 2048 if device.type == "cuda" else 256
    ids = random_ids(shape, tokens).to(device)
    times = []
    for _ in range(3):
        began = now(device)
        model(input_ids=ids, use_cache=False, logits_to_keep=1)
        times.append(now(device) - began)
    return shape.operations(tokens) / min(times)
