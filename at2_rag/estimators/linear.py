"""The paper's estimator: a learned linear combination of attention heads (section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from at2_rag.errors import InputError
from at2_rag.estimators.base import ScoreEstimator
from at2_rag.estimators.files import EstimatorRecord


@dataclass(frozen=True, eq=False, repr=False)
class LinearEstimator(ScoreEstimator, kinds=("uniform", "linear", "copying")):
    """A coefficient for each attention head.

    With ``copying`` coefficients, attention counts once more where it goes to a token that is the
    very one being generated: a head that copies a name looks at that name. This goes beyond the
    paper, costs next to nothing, and is linear all the same.

    Attributes:
        coefficients: (layers, heads), float32; how much each head counts. Unitless.
        copying: (layers, heads), float32; what a head counts for in addition, at tokens that
            equal the one being generated.
        uniform_heads: Whether this is average attention, and nothing was learned.
    """

    coefficients: Tensor
    copying: Tensor | None = None
    uniform_heads: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "coefficients", _checked("coefficients", self.coefficients))
        if self.copying is not None:
            object.__setattr__(self, "copying", _checked("copying", self.copying))
            if self.copying.shape != self.coefficients.shape:
                raise InputError(
                    f"copying has the shape {tuple(self.copying.shape)}; expected that of the "
                    f"coefficients, {tuple(self.coefficients.shape)}."
                )

    @classmethod
    def assembled(cls, record: EstimatorRecord) -> Self:
        """Return what a record holds."""
        return cls(
            record.tensors["coefficients"],
            record.tensors.get("copying"),
            record.kind == "uniform",
            metadata=record.metadata,
            calibrations=record.calibrations,
        )

    @property
    def kind(self) -> str:
        """``"uniform"``, ``"linear"``, or ``"copying"`` if there are copying coefficients."""
        if self.uniform_heads:
            return "uniform"
        return "linear" if self.copying is None else "copying"

    @property
    def weightings(self) -> Tensor:
        """Return (1 or 2, layers, heads): the coefficients, and the copying ones if there are."""
        both = [self.coefficients] if self.copying is None else [self.coefficients, self.copying]
        return torch.stack(both)

    @property
    def compares_tokens(self) -> bool:
        """Whether there are copying coefficients."""
        return self.copying is not None

    @property
    def copying_weights(self) -> Tensor | None:
        """Return (layers, heads): what heads count for besides, at tokens that equal the one said.

        ``None`` where such tokens count as any other.
        """
        return self.copying

    @property
    def head_weights(self) -> Tensor:
        """Return (layers, heads): the coefficients, without the copying ones."""
        return self.coefficients

    def rate(self, plain: Tensor, copied: Tensor, owners: Tensor) -> Tensor:
        """Return (answer tokens, regions): the weighted sum; each region's by itself."""
        return plain[0] if self.copying is None else plain[0] + copied[1]

    def tensors(self) -> dict[str, Tensor]:
        """Return the coefficients by name."""
        held = {"coefficients": self.coefficients}
        return held if self.copying is None else {**held, "copying": self.copying}


def _checked(name: str, values: Tensor) -> Tensor:
    if values.dim() != 2 or not values.is_floating_point():
        raise InputError(
            f"{name} are {values.dtype} of shape {tuple(values.shape)}; expected floats of shape "
            "(layers, heads)."
        )
    if not bool(torch.isfinite(values).all()):
        raise InputError(f"{name} hold NaN or infinity; expected finite numbers.")
    # A copy: the caller may change theirs, and files hold no two tensors that share memory.
    return values.detach().float().cpu().clone()
