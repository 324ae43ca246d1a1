"""Reusing the beginning of a text: what comes before the first token that is left out.

No token knows what follows it. So up to the first one that is left out, keys and values are those
of the whole text: one pass over it has them, and a text that lacks something goes on from a copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from at2_rag.ablation.checked import agrees, once_per_model
from at2_rag.ablation.passes import last_logits
from at2_rag.ablation.skipping import Packed, knows_by_attention_only, pack
from at2_rag.attention.layers import whole_cache
from at2_rag.model_facts import few_logits, input_device, vocabulary_size

#: A beginning is reused where that spares so much of all tokens: copies are not for nothing.
_WORTHWHILE = 0.1

#: Tokens of the check, what is masked of each of its texts, and where their tails begin.
_TOKENS = 8
_MASKED = ((2, 3), (4,))
_BEGINS = (2, 4)


@dataclass(frozen=True)
class Beginning:
    """What a model remembers of the beginning of one text.

    Attributes:
        layers: Keys and values of each layer that has some, each
            (1, key-value heads, tokens, head size).
    """

    layers: tuple[tuple[Tensor, Tensor], ...]

    @classmethod
    def of(cls, cache: Any) -> Beginning | None:
        """Return what a cache holds; ``None`` of one that holds something else or not all of it.

        Args:
            cache: What a pass over one text returned as ``past_key_values``.
        """
        if type(cache) is not DynamicCache:
            return None
        # Layers other than attention do not tell, and remember something else than keys.
        if any(getattr(layer, "is_sliding", True) for layer in cache.layers):
            return None
        held = [layer for layer in cache.layers if layer.keys is not None]
        return cls(tuple((layer.keys, layer.values) for layer in held)) if held else None

    @property
    def tokens(self) -> int:
        """How many tokens it has."""
        return min(keys.shape[2] for keys, _ in self.layers)

    @property
    def token_bytes(self) -> int:
        """How many bytes one token takes."""
        held = (each[:, :, :1] for layer in self.layers for each in layer)
        return sum(each.numel() * each.element_size() for each in held)

    def copies(self, texts: int, tokens: int) -> DynamicCache:
        """Return a cache of the first ``tokens`` tokens for so many texts."""
        return DynamicCache(
            [
                tuple(each[:, :, :tokens].expand(texts, -1, -1, -1) for each in layer)
                for layer in self.layers
            ]
        )


@dataclass(frozen=True)
class FirstPass:
    """What one pass over a text left behind.

    Attributes:
        beginning: What the model remembers of the text.
        logits: (rows, vocabulary): logits of the last rows that were asked for.
    """

    beginning: Beginning
    logits: Tensor


def first_pass(model: PreTrainedModel, tokens: Tensor, rows: int) -> FirstPass | None:
    """Run a text and keep what is remembered of it; ``None`` where that cannot be copied.

    Args:
        model: The model that the text is run on.
        tokens: (tokens,): token ids of the text.
        rows: How many tokens at the end have logits that are wanted.
    """
    if not knows_by_attention_only(model):
        return None
    output = model(
        input_ids=tokens[None].to(input_device(model)),
        past_key_values=whole_cache(model),
        use_cache=True,
        **few_logits(model, rows),
    )
    beginning = Beginning.of(output.past_key_values)
    return None if beginning is None else FirstPass(beginning, output.logits[0, -rows:])


def unmasked_beginnings(visible: Tensor, first_row: int, whole: int) -> Tensor:
    """Return (texts,): how much of each text comes before its first masked token.

    No more than up to the rows whose logits are wanted, since these are computed in any case.

    Args:
        visible: (texts, tokens): 0 at masked tokens, else 1.
        first_row: Position of the first row whose logits are wanted.
        whole: What to return for a text without masked tokens.
    """
    masked = visible == 0
    return torch.where(masked.any(dim=1), masked.int().argmax(dim=1).clamp(max=first_row), whole)


def shared_beginnings(visible: Tensor, first_row: int) -> Tensor:
    """Return (texts,): how much of each text to go on from; zeros where that spares too little.

    What they go on from is read first. A text without masked tokens is then known as a whole.

    Args:
        visible: As for :func:`unmasked_beginnings`.
        first_row: As for :func:`unmasked_beginnings`.
    """
    first = unmasked_beginnings(visible, first_row, visible.shape[1])
    read = int(first.max()) if len(first) else 0
    spared = int(first.sum()) - read
    return first if spared > _WORTHWHILE * int(visible.sum()) else torch.zeros_like(first)


def logits_behind_beginning(
    model: PreTrainedModel,
    packed: Packed,
    rows: int,
    beginning: Beginning,
    begins: Tensor,
    visible: Tensor,
) -> Tensor:
    """Run the tails of several texts, each behind its own share of one beginning.

    The longest share is copied for all, and what is not a text's own is masked.

    Args:
        model: The model that the texts are run on.
        packed: What is to be computed of each text.
        rows: How many tokens at the end have logits that are wanted.
        beginning: What is known of the texts already.
        begins: (texts,): how many tokens of the beginning are each text's own.
        visible: (texts, tokens of the whole text): 0 at tokens of the beginning that its tail may
            not attend to, else 1.

    Returns:
        (texts, rows, vocabulary): logits, in the model's type and on its device.
    """
    longest = int(begins.max())
    own = (torch.arange(longest) < begins[:, None]) & visible[:, :longest].bool()
    seen = torch.cat([own.to(packed.visible.dtype), packed.visible], dim=1)
    cache = beginning.copies(len(begins), longest)
    return last_logits(model, packed.tokens, seen, packed.positions, rows, cache)


@once_per_model
@torch.inference_mode()
def can_reuse(model: PreTrainedModel) -> bool:
    """Return whether texts come out the same behind a copied beginning as on their own.

    On a few tokens, and for a model that knows tokens by attention only; no other can.
    """
    tokens = torch.arange(1, _TOKENS + 1) * 7 % vocabulary_size(model)
    found = first_pass(model, tokens, 1)
    if found is None:
        return False
    visible = torch.ones(len(_MASKED), _TOKENS, dtype=torch.long)
    for text, places in enumerate(_MASKED):
        visible[text, list(places)] = 0
    begins = torch.tensor(_BEGINS)
    expected = last_logits(model, *pack(tokens, visible, _TOKENS - 1), 1)
    tails = pack(tokens, visible, _TOKENS - 1, begins)
    reused = logits_behind_beginning(model, tails, 1, found.beginning, begins, visible)
    return agrees(reused, expected, model.dtype)
