"""Asking a model for the last few logits only, where it can be asked."""

from __future__ import annotations

import inspect

from transformers import PreTrainedModel


def few_logits(model: PreTrainedModel, rows: int) -> dict[str, int]:
    """Return the options of a pass that needs the logits of the last ``rows`` tokens only.

    Empty for models that always compute all of them, so callers take the last rows either way.
    """
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        return {"logits_to_keep": rows}
    return {}
