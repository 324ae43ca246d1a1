"""Leaving ablated tokens out of a pass altogether, on models where that changes nothing.

A token that no other may attend to has no influence but on itself, so a pass need not compute it:
with ablations that keep half of the tokens, it computes half. The others keep their positions.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from at2_rag.ablation.checked import agrees, once_per_model
from at2_rag.ablation.passes import last_logits
from at2_rag.attention.layers import is_attention_only, shortest_reach
from at2_rag.model_facts import vocabulary_size

#: Tokens of the check, and which of them are masked.
_TOKENS = 8
_MASKED = (2, 3, 5)


class Packed(NamedTuple):
    """Several texts without their masked tokens, padded on the left to the longest.

    Of texts whose beginnings are known already, only what comes behind these.

    Attributes:
        tokens: (texts, tokens): token ids; at padding, those of masked tokens.
        visible: (texts, tokens): 0 at padding and at masked tokens that had to stay, else 1.
        positions: (texts, tokens): where each token was in the whole text; 0 at padding.
    """

    tokens: Tensor
    visible: Tensor
    positions: Tensor


def pack(
    tokens: Tensor,
    visible: Tensor,
    first_row: int,
    begins: Tensor | None = None,
    *,
    skipping: bool = True,
) -> Packed:
    """Leave masked tokens out, and beginnings that are known already.

    Args:
        tokens: (tokens,): token ids of the whole text.
        visible: (texts, tokens): 0 at masked tokens, else 1.
        first_row: Position from which on all tokens stay, since their logits are wanted.
        begins: (texts,): how many tokens of each text are known; ``None`` for none.
        skipping: Whether masked tokens are left out; else they stay, and are masked.
    """
    stays = staying(visible, first_row, begins, skipping=skipping)
    longest = int(stays.sum(dim=1).max())
    # Sorting puts the tokens that stay last, in their order, and what fills up the row before them.
    order = stays.int().argsort(dim=1, stable=True)[:, -longest:]
    real = stays.gather(1, order)
    return Packed(tokens[order], visible.gather(1, order) * real, order * real)


def staying(
    visible: Tensor, first_row: int, begins: Tensor | None = None, *, skipping: bool = True
) -> Tensor:
    """Return (texts, tokens): which tokens a pass has to compute.

    Args:
        visible: As for :func:`pack`.
        first_row: As for :func:`pack`.
        begins: As for :func:`pack`.
        skipping: As for :func:`pack`.
    """
    place = torch.arange(visible.shape[1])
    stays = visible.bool() | (place >= (first_row if skipping else 0))
    return stays if begins is None else stays & (place >= begins[:, None])


def can_skip(model: PreTrainedModel, tokens: int) -> bool:
    """Return whether a text of so many tokens may be computed without its masked tokens.

    Not with sliding windows or chunks shorter than the text: these count the tokens between two,
    and with some left out they would reach further.
    """
    reach = shortest_reach(model)
    return (reach is None or tokens <= reach) and knows_by_attention_only(model)


@once_per_model
def knows_by_attention_only(model: PreTrainedModel) -> bool:
    """Return whether a token that no other may attend to has no influence on any."""
    return is_attention_only(model) and _agrees(model)


@torch.inference_mode()
def _agrees(model: PreTrainedModel) -> bool:
    """Return whether a few tokens come out the same, masked and left out."""
    tokens = torch.arange(1, _TOKENS + 1) * 7 % vocabulary_size(model)
    visible = torch.ones(1, _TOKENS, dtype=torch.long)
    visible[:, _MASKED] = 0
    whole = Packed(tokens[None], visible, torch.arange(_TOKENS)[None])
    masked = last_logits(model, *whole, 1).float()
    skipped = last_logits(model, *pack(tokens, visible, _TOKENS - 1), 1).float()
    return agrees(skipped, masked, model.dtype)
