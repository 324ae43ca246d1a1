"""Example-specific surrogate modelling: a sparse linear model of ablations (paper, A.4)."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from at2_rag.ablation.effects import AblationEffects
from at2_rag.ablation.masking import random_masks
from at2_rag.ablation.task import AttributionTask
from at2_rag.errors import InputError, missing_extra
from at2_rag.methods.base import task_seed

#: Coordinate descent converges in far fewer steps with sentences, and needs them with tokens.
_MAX_STEPS = 10_000


@dataclass(frozen=True)
class SurrogateMethod:
    """Ablates at random and fits LASSO, anew for each target (algorithm 2).

    Scores are the fitted weights: logits that keeping a source adds to its target.

    Attributes:
        num_ablations: How many random ablations are run, each source kept with probability ½.
        regularization: How strong LASSO's penalty λ is, as :func:`fit_surrogate` scales it.
        seed: Which random ablations are run; the same seed draws the same ones for the same task,
            and others for another.
    """

    num_ablations: int = 32
    regularization: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_ablations < 2:
            raise InputError(
                f"num_ablations is {self.num_ablations}; expected at least 2: one ablation shows "
                "no difference."
            )
        if self.regularization <= 0:
            raise InputError(f"regularization is {self.regularization}; expected more than 0.")

    @property
    def name(self) -> str:
        """``"esm-32"`` for 32 ablations, and so on."""
        return f"esm-{self.num_ablations}"

    def scores(self, task: AttributionTask) -> Tensor:
        """Return (targets, sources).

        Raises:
            ImportError: If scikit-learn is not installed.
            NumericalError: If the model produced NaN.
        """
        if not task.targets:
            return torch.zeros(0, len(task.sources))
        _linear_model()  # missing, it is better missed before the ablations than after
        masks = self.draw(task)
        return self.fit(task, masks, task.ablator().ablate(masks))

    def draw(self, task: AttributionTask) -> Tensor:
        """Return (ablations, sources): the ablations that are run; fewer are the first of them."""
        seed = task_seed("surrogate", self.seed, task)
        return random_masks(self.num_ablations, len(task.sources), seed)

    def fit(self, task: AttributionTask, masks: Tensor, effects: AblationEffects) -> Tensor:
        """Return (targets, sources): the weights that explain ablations.

        Args:
            task: The answer that was ablated, with at least one target.
            masks: (ablations, sources), true (or 1) where a source was kept.
            effects: What these ablations did.

        Raises:
            ImportError: If scikit-learn is not installed.
        """
        weights = [
            fit_surrogate(masks, effects.logit(start, end), end - start, self.regularization)
            for start, end in task.targets
        ]
        return torch.stack(weights).float()

    def forward_passes(self, task: AttributionTask) -> float:
        """Return one for each ablation."""
        return float(self.num_ablations)


def fit_surrogate(masks: Tensor, logits: Tensor, tokens: int, regularization: float) -> Tensor:
    """Fit LASSO to the effects of ablations.

    Masks are standardised (each source's column to mean 0 and variance 1) and logits divided by
    the number of the target's tokens, as ContextCite's implementation does, which the paper
    follows: so λ means the same whether a source happened to be kept often or seldom, and for a
    short statement as for a long one. Weights are returned on the scale of the given masks and
    logits.

    Args:
        masks: (ablations, sources), true (or 1) where a source is kept.
        logits: (ablations,): log p / (1 - p) of the target under each ablation.
        tokens: How many tokens the target has.
        regularization: How strong LASSO's penalty λ is, in logits per token.

    Returns:
        (sources,): the fitted weights, in double precision; 0 for a source that was never or always
        kept.

    Raises:
        ImportError: If scikit-learn is not installed.
    """
    centred = masks.double() - masks.double().mean(dim=0)
    scale = centred.square().mean(dim=0).sqrt()
    scale[scale == 0] = 1.0
    outputs = logits.double() / tokens
    if bool((outputs == outputs[0]).all()):
        # Nothing to explain, and nothing that the descent could be told to converge to.
        return torch.zeros_like(scale)
    lasso = _linear_model().Lasso(alpha=regularization, max_iter=_MAX_STEPS)
    lasso.fit((centred / scale).numpy(), outputs.numpy())
    return torch.from_numpy(lasso.coef_).double() / scale * tokens


def _linear_model() -> Any:
    try:
        return import_module("sklearn.linear_model")
    except ImportError as error:
        what = "Example-specific surrogate modelling"
        raise missing_extra(what, "scikit-learn", "training") from error
