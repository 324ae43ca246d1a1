"""The estimator of a model that nobody trained one for: heads found by probing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from at2_rag.estimators.files import EstimatorRecord
from at2_rag.estimators.linear import LinearEstimator


@dataclass(frozen=True, eq=False)
class ProbedEstimator(LinearEstimator, kinds=("probed",)):
    """A few heads that look at what a statement goes back to, each by how well it does.

    Scores are attention, unitless and between 0 and 1: of the chosen heads, the mean over a
    statement's tokens, summed over a source's, where tokens that equal the one being said count in
    full and others a quarter. ``metadata["probed"]`` tells the heads and how well they find what
    the probes' statements go back to.
    """

    @property
    def kind(self) -> str:
        """``"probed"``."""
        return "probed"

    @classmethod
    def assembled(cls, record: EstimatorRecord) -> Self:
        """Return what a record holds.

        Raises:
            KeyError: If a tensor is missing.
            InputError: If one cannot be used.
        """
        return cls(
            record.tensors["coefficients"],
            record.tensors["copying"],
            metadata=record.metadata,
            calibrations=record.calibrations,
        )
