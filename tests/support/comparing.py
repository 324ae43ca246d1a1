"""What is the same up to rounding."""

import pytest


def what_was_said(answer):
    """Return an answer as plain types, without how it was asked for and where it was given."""
    if answer is None:
        return None
    found = answer.to_dict()
    for name in ("settings", "given_start"):
        del found[name]
    if found["thoughts"] is not None:
        del found["thoughts"]["given_start"]
    found["draft"] = what_was_said(answer.draft)
    return found


def check_same(one, other):
    """Assert that two answers are the same up to rounding.

    Rows of attention are folded a few dozen together, and earlier where a statement is wanted at
    once. Matrix products of other sizes round differently, to a few of float32's steps.
    """
    if isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-6)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            check_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            check_same(a, b)
    else:
        assert one == other
