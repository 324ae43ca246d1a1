"""Score estimators that are published for known models, and which model of the hub one is."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Stands for whichever score estimator can be found for a model, which may be found by probing it.
AUTO = "auto"

#: Stands for average attention, in which all heads count the same.
AVERAGE = "average"

#: Score estimators that the authors of the method have published, by the model they are for.
PUBLISHED_ESTIMATORS = {
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B": "madrylab/at2-deepseek-r1-distill-qwen-7b",
    "google/gemma-3-4b-it": "madrylab/at2-gemma-3-4b-it",
    "meta-llama/Llama-3.1-8B-Instruct": "madrylab/at2-llama-3.1-8b-instruct",
    "microsoft/Phi-4-mini-instruct": "madrylab/at2-phi-4-mini-instruct",
    "Qwen/Qwen2.5-7B-Instruct": "madrylab/at2-qwen2.5-7b-instruct",
}

#: Those of them that were learned on thoughts: on what in its thoughts made a model respond so,
#: not on what in its passages did.
THOUGHT_ESTIMATORS = frozenset({"madrylab/at2-deepseek-r1-distill-qwen-7b"})

_PART = r"\w(?:[\w.-]*\w)?"
_ID = re.compile(rf"(?:{_PART}/)?{_PART}", re.ASCII)
_SNAPSHOT = re.compile(r"(?:^|[/\\])models--([^/\\]+)[/\\]snapshots[/\\][^/\\]")
_BY_FOLDED_NAME = {name.casefold(): repo for name, repo in PUBLISHED_ESTIMATORS.items()}


def published_estimator(model_id: str) -> str | None:
    """Return the repository of the estimator published for a model, or ``None``.

    Args:
        model_id: The model's hub id; case does not matter, as it does not to the hub.
    """
    return _BY_FOLDED_NAME.get(model_id.casefold())


def hub_id(name: str) -> str | None:
    """Return the hub id of a model, or ``None`` if it cannot be told.

    Args:
        name: What the model was loaded by: a hub id, a folder or file, or one inside the hub's
            cache (``models--org--name/snapshots/…``), whose path says which model it is. Any other
            folder or file may hold any model, whatever its name.
    """
    is_there = Path(name).exists()
    # A link may lead into the cache too.
    for path in (name, os.path.realpath(name) if is_there else ""):
        match = _SNAPSHOT.search(path)
        if match is not None:
            # An id cannot hold "--" itself.
            return match[1].replace("--", "/")
    return None if is_there or not _is_id(name) else name


def base_model_of(metadata: Mapping[str, Any]) -> str | None:
    """Return the hub id of the model that metadata say the coefficients were learned on."""
    collected = metadata.get("collected")
    model = collected.get("model") if isinstance(collected, Mapping) else None
    name = model.get("name") if isinstance(model, Mapping) else None
    return hub_id(name) if isinstance(name, str) else None


def namesake(folder: str) -> str | None:
    """Return the model with a published estimator that a folder is named after, if any.

    A name proves nothing: this is for advice only.
    """
    last = Path(folder).name.casefold()
    return next(
        (name for name in PUBLISHED_ESTIMATORS if name.split("/")[1].casefold() == last), None
    )


def _is_id(name: str) -> bool:
    return bool(_ID.fullmatch(name)) and "--" not in name and ".." not in name
