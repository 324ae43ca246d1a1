"""Where an estimator lies that was learned here for a model which is not the user's own folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from huggingface_hub import cached_assets_path
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from at2_rag.estimators.files import CONFIG_FILE
from at2_rag.estimators.fingerprints import reading_fingerprint

#: Counts up when what was learned before is to be used no longer.
_VERSION = 1


def trained_folder(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, home: Path | None = None
) -> Path:
    """Return the folder in the user's cache for what was learned for a model, there or not.

    Its name is made of the model's weights, tokenizer and chat template: a model that was trained
    further, or is asked otherwise, has another.

    Args:
        model: The model, as transformers loaded it.
        tokenizer: The model's fast tokenizer.
        home: Folder that what was learned is kept in; ``None`` for the hub's cache of assets.
    """
    name = reading_fingerprint(model, tokenizer, f"trained-{_VERSION}")
    return _home(home) / name


def trained_before(name: str, home: Path | None = None) -> Path | None:
    """Return the folder of what was learned for a model that was loaded by a name, or ``None``.

    The weights are not looked at, so a model that was trained further since is taken for the same.

    Args:
        name: What the model is loaded by; of several that were, the one that was learned last.
        home: Folder that what was learned is kept in; ``None`` for the hub's cache of assets.
    """
    found = [path for path in _home(home).glob(f"*/{CONFIG_FILE}") if _model_of(path) == name]
    newest = max(found, key=lambda path: path.stat().st_mtime, default=None)
    return None if newest is None else newest.parent


def _home(home: Path | None) -> Path:
    return home or Path(cached_assets_path("at2-rag", "trained"))


def _model_of(config: Path) -> Any:
    """Return what the model was loaded by that an estimator says it was learned on."""
    try:
        metadata = json.loads(config.read_text(encoding="utf-8"))["metadata"]
        return metadata["collected"]["model"]["name"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
