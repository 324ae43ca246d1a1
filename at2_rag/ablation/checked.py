"""What is found out about a model once, by running it, and then remembered."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor
from transformers import PreTrainedModel


def once_per_model(check: Callable[[PreTrainedModel], bool]) -> Callable[[PreTrainedModel], bool]:
    """Return a check that looks at each model once, however many threads ask.

    Args:
        check: What is asked of a model.
    """
    found: weakref.WeakKeyDictionary[PreTrainedModel, bool] = weakref.WeakKeyDictionary()
    lock = threading.Lock()

    @wraps(check)
    def checked(model: PreTrainedModel) -> bool:
        with lock:
            if model not in found:
                found[model] = check(model)
            return found[model]

    return checked


def agrees(found: Tensor, expected: Tensor, dtype: torch.dtype) -> bool:
    """Return whether logits are those that were expected, but for rounding.

    Args:
        found: The logits, of any shape.
        expected: The logits that were expected, of the same shape.
        dtype: What the model computes in; narrow types differ by a few of their own steps.
    """
    tolerance = max(1e-4, 4 * torch.finfo(dtype).eps)
    return bool((expected - found).abs().max() <= tolerance * expected.abs().max())
