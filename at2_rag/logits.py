"""Asking a model for the last few logits only, where it can be asked."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor
from transformers import PreTrainedModel


def few_logits(model: PreTrainedModel, rows: int) -> dict[str, Tensor]:
    """Return the options of a pass that needs the logits of the last ``rows`` tokens only.

    Empty for models that always compute all of them, so callers take the last rows either way.
    """
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        # Places, not their number: given a number, Gemma 4 with shared layers leaves queries out
        # of its attention as well, which only functions by the names it knows get right.
        return {"logits_to_keep": torch.arange(-rows, 0)}
    return {}
