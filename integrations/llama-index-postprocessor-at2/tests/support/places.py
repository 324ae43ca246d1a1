"""Where the repository is, and real data beside it."""

import os
from pathlib import Path

import pytest

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
