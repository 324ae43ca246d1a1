"""Errors that say what to install."""

import pickle
import sys

import pytest
import torch

from at2_rag import At2Error, LinearEstimator
from at2_rag.errors import MissingExtraError, missing_extra
from at2_rag.training import plot_coefficients


def test_a_missing_extra_says_what_needs_it_and_what_to_run():
    error = missing_extra("A plot", "matplotlib", "plot", ", or draw it yourself.")
    assert str(error) == (
        'A plot needs matplotlib; install with: pip install "at2-rag[plot]", or draw it yourself.'
    )
    assert isinstance(error, At2Error)
    assert isinstance(error, ImportError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # as workers hand it on


def test_a_missing_extra_of_another_package_is_told_with_it():
    error = missing_extra("A plot", "matplotlib", "plot", owner="./experiments")
    assert str(error).endswith('install with: pip install "./experiments[plot]"')


def test_a_missing_extra_is_raised_from_what_was_not_found(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"^plot_coefficients needs matplotlib; ") as raised:
        plot_coefficients(LinearEstimator(torch.ones(2, 2)), "picture.png")
    assert isinstance(raised.value.__cause__, ImportError)
