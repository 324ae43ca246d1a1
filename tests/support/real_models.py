"""Pretrained models, where there are any."""

import os
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def real_model(name):
    """Return a pretrained model and its tokenizer from the folder in AT2_MODELS, or skip.

    Args:
        name: Of the model's folder, such as ``smollm2-135m`` for SmolLM2-135M-Instruct.
    """
    home = os.environ.get("AT2_MODELS")
    if not home or not (Path(home) / name).is_dir():
        pytest.skip(f"needs a pretrained model: {name} in the folder of AT2_MODELS")
    model = AutoModelForCausalLM.from_pretrained(Path(home) / name, dtype=torch.bfloat16)
    return model.eval(), AutoTokenizer.from_pretrained(Path(home) / name)
