"""One pass over several texts, of whose last tokens logits are wanted."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import transformers
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from at2_rag.attention.layers import has_other_layers
from at2_rag.model_facts import few_logits, input_device

#: Before version 5, transformers' layers other than attention see masked tokens of a text that runs
#: alone; they are hidden from them where several run together.
_HIDES_FROM_SEVERAL_ONLY = transformers.__version__.startswith("4.")


def last_logits(
    model: PreTrainedModel,
    tokens: Tensor,
    visible: Tensor | Mapping[str, Tensor],
    positions: Tensor,
    rows: int,
    cache: DynamicCache | None = None,
) -> Tensor:
    """Run several texts that end together.

    Args:
        model: The model that the texts are run on.
        tokens: (texts, tokens): token ids.
        visible: (texts, tokens): 0 at tokens that no other may attend to, else 1; in front of them,
            the same of the tokens in the cache. Or by kind of layer (:func:`reaches`) (texts, 1,
            tokens, all tokens): what is added to the logits of attention, in the model's type.
        positions: (texts, tokens): position of each token; 0 at padding.
        rows: How many tokens at the end have logits that are wanted.
        cache: What the model remembers of the texts' beginnings, which it adds to; ``None`` where
            they are run from their beginnings on.

    Returns:
        (texts, rows, vocabulary): logits, in the model's type and on its device.
    """
    if len(tokens) == 1 and _HIDES_FROM_SEVERAL_ONLY and has_other_layers(model):
        assert isinstance(visible, Tensor)  # masks by kind are for attention alone
        tokens, visible, positions = (each.expand(2, -1) for each in (tokens, visible, positions))
        return last_logits(model, tokens, visible, positions, rows)[:1]
    device = input_device(model)
    logits: Tensor = model(
        input_ids=tokens.to(device),
        attention_mask=_mask_on(device, visible),
        position_ids=positions.to(device),
        past_key_values=cache,
        use_cache=cache is not None,
        **few_logits(model, rows),
    ).logits
    return logits[:, -rows:]


def _mask_on(
    device: torch.device, visible: Tensor | Mapping[str, Tensor]
) -> Tensor | dict[str, Tensor]:
    """Return a mask as the model takes it: by kind only where it has several."""
    if isinstance(visible, Tensor):
        return visible.to(device)
    masks = {kind: mask.to(device) for kind, mask in visible.items()}
    return masks if len(masks) > 1 else next(iter(masks.values()))
