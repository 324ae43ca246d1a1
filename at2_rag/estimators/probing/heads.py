"""Which heads of a model look at what a statement goes back to.

Copying heads look at the very words that are being said, and others at the sentence that means the
same. Both are found alike: by how far attention to the sentence that says what is said exceeds that
to any other, before equal words count more, which would find copying heads alone. What lies in the
instructions, or on the first token of the text, counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from at2_rag.estimators.probing.passes import Seen

#: So many heads count at most. Published recipes find 8 to 16 best (QRHead, CoRe); measured here,
#: quality hardly depends on the number between 4 and 16, and falls beyond.
MOST_HEADS = 8


@dataclass(frozen=True, eq=False)
class HeadWeights:
    """How much each head counts.

    Attributes:
        weights: (layers · heads,): what each head counts for; they sum to 1. Unitless.
        first: In which share of the statements that a passage says the sentence that says it comes
            first of all sources, by heads that were chosen on the others.
    """

    weights: Tensor
    first: float


def weigh_heads(seen: Sequence[Seen]) -> HeadWeights:
    """Return how much each head counts, and how well that finds what a statement goes back to.

    Args:
        seen: What the heads looked at in each statement; at least two that a passage says.
    """
    stated = [one for one in seen if one.origin == "stated"]
    if len(stated) < 2:  # no probe fits the model's context
        return HeadWeights(torch.zeros(0), 0.0)
    halves = stated[::2], stated[1::2]
    hits = [
        bool(one.needle[(_weights(chosen) @ one.counted).argmax()])
        for chosen, judged in (halves, halves[::-1])
        for one in judged
    ]
    return HeadWeights(_weights(stated), sum(hits) / len(hits))


def margins(stated: Sequence[Seen]) -> Tensor:
    """Return (layers · heads,): by how much attention to the needle exceeds that to the next best.

    The mean over statements; negative for heads that look elsewhere.
    """
    found = [
        one.attention[:, one.needle].amax(dim=1) - one.attention[:, ~one.needle].amax(dim=1)
        for one in stated
    ]
    return torch.stack(found).mean(dim=0)


def _weights(stated: Sequence[Seen]) -> Tensor:
    """Return the weights of the heads with the largest margins; 0 for all others."""
    found = margins(stated)
    best = found.argsort(descending=True, stable=True)[:MOST_HEADS]
    weights = torch.zeros_like(found)
    weights[best] = found[best].clamp_min(0)
    return weights / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)
