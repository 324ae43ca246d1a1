"""Where an estimator lies that was learned here for a model which is not the user's own folder."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import cached_assets_path
from transformers import PreTrainedModel, PreTrainedTokenizerBase

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
    return (home or Path(cached_assets_path("at2-rag", "trained"))) / name
