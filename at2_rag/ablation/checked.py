"""What is found out about a model once, by running it, and then remembered."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from functools import wraps

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
