"""Tasks and methods whose right scores are known because they are given."""

from dataclasses import dataclass

import torch

from at2_rag.ablation.effects import AblationEffects
from at2_rag.ablation.task import AttributionTask


@dataclass(frozen=True)
class LinearTask(AttributionTask):
    """A task whose model is a sum: each source kept adds its weight to the logit of each token.

    Attributes:
        weights: (answer tokens, sources), in logits.
    """

    weights: torch.Tensor = None

    def ablator(self, byte_limit=0, *, by="attention"):
        return self

    def ablate(self, masks):
        return AblationEffects(masks.double() @ self.weights.T.double() - 1.0)


def linear_task(weights):
    """Targets of one token each, whose logits are linear in the sources."""
    targets = tuple((i, i + 1) for i in range(len(weights)))
    sources = tuple((i, i + 1) for i in range(weights.shape[1]))
    ids = tuple(range(weights.shape[1] + len(weights)))
    return LinearTask(None, ids, weights.shape[1], sources, targets, None, weights)


class Fixed:
    """Gives the scores it is told to."""

    name = "fixed"

    def __init__(self, scores):
        self.given = scores

    def scores(self, task):
        return self.given

    def forward_passes(self, task):
        return 0.0


def random_task(model, answer_tokens=8):
    """A task of two targets on random tokens, for which no text is needed."""
    generator = torch.Generator().manual_seed(1)
    ids = tuple(torch.randint(3, 128, (16 + answer_tokens,), generator=generator).tolist())
    return AttributionTask(model, ids, 16, ((2, 5), (5, 12)), ((0, 3), (3, answer_tokens)), None)
