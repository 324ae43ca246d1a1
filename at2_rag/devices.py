"""Where a model takes its tokens, also where its weights are kept elsewhere."""

from __future__ import annotations

from typing import Any

import torch
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


def vocabulary_size(model: PreTrainedModel) -> int:
    """Return how many token ids the model knows; packed weights do not have it as their shape."""
    config: Any = model.config.get_text_config(decoder=True)
    return int(config.vocab_size)
