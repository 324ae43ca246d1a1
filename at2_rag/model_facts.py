"""What is asked of a model before it runs: its device, its vocabulary, and its last logits."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel


def input_device(model: PreTrainedModel) -> torch.device:
    """Return the device that a model's tokens are to be on.

    Weights that accelerate has offloaded to the processor or to disk are on no device until they
    are used; then the hook that loads them says where that is.
    """
    embeddings = model.get_input_embeddings()
    device: torch.device = embeddings.weight.device
    if device.type != "meta":
        return device
    hook = getattr(embeddings, "_hf_hook", None)
    for part in getattr(hook, "hooks", (hook,)):  # several can follow one another
        if (execution := getattr(part, "execution_device", None)) is not None:
            return torch.device(execution)
    return device


def has_bfloat16_tiles() -> bool:
    """Return whether the processor multiplies matrices of bfloat16 in tiles, as with AMX."""
    asked: Any = getattr(torch.cpu, "_is_amx_tile_supported", None)  # private, and not in all
    return asked is not None and bool(asked())


def vocabulary_size(model: PreTrainedModel) -> int:
    """Return how many token ids the model knows; packed weights do not have it as their shape."""
    config: Any = model.config.get_text_config(decoder=True)
    return int(config.vocab_size)


def context_length(model: PreTrainedModel) -> int | None:
    """Return how many tokens the longest text has that the model is made for, if it says so."""
    config = model.config.get_text_config()
    length = getattr(config, "max_position_embeddings", None)
    return int(length) if length else None


def few_logits(model: PreTrainedModel, rows: int) -> dict[str, Tensor]:
    """Return the options of a pass that needs the logits of the last ``rows`` tokens only.

    Empty for models that always compute all of them, so callers take the last rows either way.
    """
    return logits_at(model, range(-rows, 0))


def logits_at(model: PreTrainedModel, places: Sequence[int]) -> dict[str, Tensor]:
    """Return the options of a pass that needs the logits of some places of a text only.

    Empty for models that always compute all of them.

    Args:
        model: The model that is to be run.
        places: Indices of the tokens, from 0 on, or from the last one back, which is -1.
    """
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        # Places, not their number: given a number, Gemma 4 with shared layers leaves queries out
        # of its attention as well, which only functions by the names it knows get right.
        return {"logits_to_keep": torch.tensor(places)}
    return {}
