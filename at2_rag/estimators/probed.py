"""The estimator of a model that nobody trained one for: heads found by probing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from at2_rag.errors import InputError
from at2_rag.estimators.files import EstimatorRecord
from at2_rag.estimators.linear import LinearEstimator


@dataclass(frozen=True, eq=False, repr=False)
class ProbedEstimator(LinearEstimator, kinds=("probed",)):
    """A few heads that look at what a statement goes back to, each by how well it does.

    Scores are attention, unitless and between 0 and 1: of the chosen heads, the mean over a
    statement's tokens, summed over a source's. Where it goes to a token that equals the one being
    said, it counts more. ``metadata["probed"]`` tells the heads and how well they find what the
    probes' statements go back to.

    Attributes:
        equal_tokens: What attention to a token that equals the one being said counts for beyond
            any other, which counts 1.
    """

    equal_tokens: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.equal_tokens < float("inf"):
            raise InputError(f"equal_tokens is {self.equal_tokens}; expected 0 or more.")

    @classmethod
    def assembled(cls, record: EstimatorRecord) -> Self:
        """Return what a record holds.

        Raises:
            KeyError: If a tensor is missing.
            InputError: If one cannot be used.
        """
        return cls(
            record.tensors["coefficients"],
            equal_tokens=float(record.tensors["equal_tokens"]),
            metadata=record.metadata,
            calibrations=record.calibrations,
        )

    @property
    def kind(self) -> str:
        """``"probed"``."""
        return "probed"

    @property
    def compares_tokens(self) -> bool:
        """Whether tokens that equal the one being said count more."""
        return self.equal_tokens > 0

    @property
    def copying_weights(self) -> Tensor | None:
        """Return (layers, heads): ``equal_tokens`` times the coefficients, or ``None`` for 0."""
        return self.equal_tokens * self.coefficients if self.compares_tokens else None

    def rate(self, plain: Tensor, copied: Tensor, owners: Tensor) -> Tensor:
        """Return (answer tokens, regions): attention as it counts, each region's by itself."""
        if not self.compares_tokens:
            return plain[0]
        return (plain[0] + self.equal_tokens * copied[0]) / (1 + self.equal_tokens)

    def tensors(self) -> dict[str, Tensor]:
        """Return what it holds, by name."""
        return {**super().tensors(), "equal_tokens": torch.tensor(self.equal_tokens)}
