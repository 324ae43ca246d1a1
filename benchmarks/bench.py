"""What all sections share: the device, the models, and the limits."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field

import torch
from transformers import PreTrainedModel

from benchmarks.budget import Budget, measured_rate
from benchmarks.methods import METHODS, Size, peak_bytes
from benchmarks.profiles import Profile
from benchmarks.shapes import Shape

#: How long a method takes, in plain passes; generous, for estimates only.
_COST = {"plain": 1.0, "library": 1.1, "library, few heads": 1.1, "hidden states": 1.4, "eager": 4}


@dataclass
class Bench:
    """One run of benchmarks.

    Attributes:
        profile: What is measured, and at which sizes.
        device: The device that is measured on.
        budget: How long the run and each measurement may take.
        memory_limit: How much memory one measurement may take at most, in bytes, as estimated
            beforehand.
        threads: How many threads torch computes with on the CPU.
    """

    profile: Profile
    device: torch.device
    budget: Budget
    memory_limit: int
    threads: int
    _held: tuple[Shape, PreTrainedModel] | None = field(default=None, repr=False)
    _rates: dict[Shape, float] = field(default_factory=dict, repr=False)

    def model(self, shape: Shape) -> PreTrainedModel:
        """Return the model of a shape; only the last one asked for is kept."""
        if self._held is None or self._held[0] != shape:
            self.release()
            self._held = shape, shape.build(self.device)
        return self._held[1]

    def release(self) -> None:
        """Forget the model that is kept."""
        self._held = None
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def pass_seconds(self, shape: Shape, tokens: int, batch: int = 1) -> float:
        """Return about how long a plain pass takes."""
        if shape not in self._rates:
            self._rates[shape] = measured_rate(shape, self.model(shape))
        return shape.operations(tokens, batch) / self._rates[shape]

    def method_seconds(self, shape: Shape, size: Size, method: str) -> float:
        """Return about how long a method takes, its pass included."""
        return _COST[method] * self.pass_seconds(shape, size.tokens, size.batch)

    def too_large(self, shape: Shape) -> str:
        """Return why a model cannot be held at all; empty if it can."""
        if shape.weight_bytes <= self.memory_limit:
            return ""
        return f"about {_gigabytes(shape.weight_bytes)}, of {_gigabytes(self.memory_limit)}"

    def affordable(self, shape: Shape, size: Size) -> tuple[list[str], dict[str, str]]:
        """Return the methods that fit in memory, and why the others do not."""
        refused = {}
        for method in METHODS:
            needed = peak_bytes(shape, size, method)
            if needed > self.memory_limit:
                refused[method] = f"about {_gigabytes(needed)}, of {_gigabytes(self.memory_limit)}"
        return [method for method in METHODS if method not in refused], refused


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
