"""Data and weights of others, which the project does not hold."""

import os
from pathlib import Path

import pytest
from support.places import REPOSITORY


def real_data(name):
    """Return a file or folder of real data; where it is not, skip the test that needs it."""
    folder = Path(os.environ.get("AT2_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (folder / name).exists():
        pytest.skip(f"needs real data: {name} is not in {folder}, set AT2_DATA to where it is")
    return folder / name


def first_lines(name, count):
    """Return so many lines of a file of real data."""
    return real_data(name).read_text(encoding="utf-8").splitlines(keepends=True)[:count]
