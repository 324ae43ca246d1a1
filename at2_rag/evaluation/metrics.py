"""How good attributions are: top-k drop and linear datamodeling score (paper, section 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from at2_rag.ablation.masking import random_masks
from at2_rag.ablation.task import AblationKind, AttributionTask
from at2_rag.errors import InputError
from at2_rag.evaluation.statistics import spearman
from at2_rag.methods.base import task_seed

_FEWEST_ABLATIONS = 3


@dataclass(frozen=True, eq=False)
class EvaluationData:
    """What random ablations did to a task's targets; every method is measured with the same.

    Attributes:
        masks: (ablations, sources), true where a source was kept.
        log_probabilities: (targets, ablations): log-probability of each target under each ablation,
            in nats.
        whole: (targets,): log-probability of each target with nothing ablated, in nats.
    """

    masks: Tensor
    log_probabilities: Tensor
    whole: Tensor

    @property
    def spread(self) -> Tensor:
        """Return (targets,): range of the log-probability, nothing ablated included, in nats."""
        seen = torch.cat([self.whole[:, None], self.log_probabilities], dim=1)
        return seen.amax(dim=1) - seen.amin(dim=1)

    @classmethod
    def collect(
        cls,
        task: AttributionTask,
        num_ablations: int,
        seed: int = 0,
        by: AblationKind = "attention",
    ) -> EvaluationData:
        """Ablate a task at random, each source kept with probability ½.

        The ablations are others than any method draws with the same seed.

        Raises:
            InputError: If there are too few ablations to rank.
            NumericalError: If the model produced NaN.
        """
        if num_ablations < _FEWEST_ABLATIONS:
            raise InputError(
                f"num_ablations is {num_ablations}; expected at least {_FEWEST_ABLATIONS}, and "
                "far more for a correlation that says something."
            )
        masks = random_masks(num_ablations, len(task.sources), task_seed("evaluation", seed, task))
        log_p = _log_probabilities(task, torch.cat([torch.ones_like(masks[:1]), masks]), by)
        return cls(masks, log_p[:, 1:], log_p[:, 0])


def top_k_drop(task: AttributionTask, scores: Tensor, k: int) -> Tensor:
    """Return the top-k drop (definition 2.2) of each target.

    The log-probability of the target less that with its ``k`` highest-scoring sources ablated;
    with all of them ablated where there are fewer. Of equal scores the earlier source is higher.

    Args:
        task: The answer whose sources were scored.
        scores: (targets, sources): how much each source mattered for each target, in any unit.
        k: How many sources to ablate.

    Returns:
        (targets,): how far each target's log-probability falls, in nats.

    Raises:
        InputError: If ``k`` is below 1.
    """
    whole = _log_probabilities(task, torch.ones(1, len(task.sources), dtype=torch.bool))
    return top_k_drops(task, scores, (k,), whole[:, 0])[:, 0]


def top_k_drops(
    task: AttributionTask,
    scores: Tensor,
    ks: Sequence[int],
    whole: Tensor,
    by: AblationKind = "attention",
) -> Tensor:
    """Return (targets, ks): :func:`top_k_drop` for several ``k`` in one batch, in nats.

    Args:
        task: The answer whose sources were scored.
        scores: (targets, sources): how much each source mattered for each target, in any unit.
        ks: How many of the highest-scoring sources to ablate, for each of the drops.
        whole: (targets,): log-probability of each target with nothing ablated, in nats.
        by: Whether sources are masked out of attention, or their text is removed from the prompt.

    Raises:
        InputError: If any ``k`` is below 1.
    """
    if not ks or min(ks) < 1:
        raise InputError(f"ks is {tuple(ks)}; expected numbers of sources, at least 1 each.")
    if not len(scores):
        return torch.zeros(0, len(ks), dtype=torch.float64)
    order = scores.argsort(dim=1, descending=True, stable=True)
    masks = torch.ones(len(scores), len(ks), scores.shape[1], dtype=torch.bool)
    for column, k in enumerate(ks):
        masks[:, column].scatter_(1, order[:, :k], False)
    # Targets often agree on their highest sources; each distinct mask is run once.
    distinct, row_of = torch.unique(masks.flatten(0, 1), dim=0, return_inverse=True)
    ablated = _log_probabilities(task, distinct, by).gather(1, row_of.view(len(scores), len(ks)))
    return whole[:, None] - ablated


def linear_datamodeling_score(scores: Tensor, data: EvaluationData) -> Tensor:
    """Return the linear datamodeling score (definition 2.3) of each target.

    The Spearman rank correlation, over random ablations, of the target's probability and the sum
    of the scores of the sources kept. Log-probabilities stand for probabilities: they have the
    same ranks, and do not all become 0 for a long target. Where either side never changes there
    is no correlation, and the score is 0.

    Args:
        scores: (targets, sources): how much each source mattered for each target, in any unit.
        data: What random ablations did to the same targets.

    Returns:
        (targets,): the score of each target, from -1 to 1.
    """
    predicted = scores.double() @ data.masks.double().T
    return spearman(predicted, data.log_probabilities)


def _log_probabilities(
    task: AttributionTask, masks: Tensor, by: AblationKind = "attention"
) -> Tensor:
    """Return (targets, ablations), in nats."""
    return task.ablator(by=by).ablate(masks).log_probabilities(task.targets)
