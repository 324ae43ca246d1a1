"""Gradient of a target's log-probability by the embeddings of a source (paper, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from at2_rag.ablation.effects import answer_log_probabilities
from at2_rag.ablation.task import AttributionTask
from at2_rag.attention.folds import sum_ranges
from at2_rag.methods.base import answer_logits, input_tokens


@dataclass(frozen=True)
class GradientMethod:
    """The ℓ1 norm of the gradient, summed over a source's tokens.

    Scores are in nats per unit of embedding, and never negative: they say that a source matters,
    not which way. One forward pass, whose activations are kept, and a backward pass per target.
    """

    @property
    def name(self) -> str:
        """``"gradient"``."""
        return "gradient"

    def scores(self, task: AttributionTask) -> Tensor:
        """Return (targets, sources)."""
        if not task.targets:
            return torch.zeros(0, len(task.sources))
        # A caller may be recording attention without gradients, which inference mode forbids.
        with torch.inference_mode(False), torch.enable_grad():
            embeddings = task.model.get_input_embeddings()(input_tokens(task)).detach()
            embeddings.requires_grad_()
            log_p = _target_log_probabilities(task, embeddings)
            norms = [
                _token_norms(value, embeddings, last=index == len(log_p) - 1)
                for index, value in enumerate(log_p)
            ]
        return sum_ranges(torch.stack(norms), task.sources)

    def forward_passes(self, task: AttributionTask) -> float:
        """Return one, and one for each target's backward pass."""
        return 1.0 + len(task.targets)


def _target_log_probabilities(task: AttributionTask, embeddings: Tensor) -> list[Tensor]:
    """Return, for each target, its log-probability in nats, with the graph behind it.

    Args:
        task: The answer to run the model over, with its targets.
        embeddings: (1, tokens - 1, hidden): embeddings of all tokens but the last.
    """
    logits = answer_logits(task, inputs_embeds=embeddings)
    log_p = answer_log_probabilities(logits, task.ids[task.prompt_length :])
    return [log_p[start:end].sum() for start, end in task.targets]


def _token_norms(value: Tensor, embeddings: Tensor, *, last: bool) -> Tensor:
    """Return (tokens - 1,): the ℓ1 norm of the gradient of ``value`` by each token's embedding."""
    # Only the embeddings' gradient is asked for, so the model's parameters get none.
    (gradient,) = torch.autograd.grad(value, embeddings, retain_graph=not last)
    # Added up on the CPU, since not every device knows double precision.
    return gradient[0].abs().cpu().sum(-1, dtype=torch.float64)
