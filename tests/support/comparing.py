"""What is the same up to rounding, in the unit that rounding comes in.

A sum in float32 is off by some steps of its largest terms, however small it comes out, and how many
depends on the processor and on the shapes of what was multiplied. So errors are measured in steps
of the largest value compared, and never in numbers of a fixed size.
"""

import torch

#: From 1 to the next number of float32.
STEP = 2.0**-23
#: What two passes of a small model differ by, batched, padded or cut into other pieces: measured,
#: up to some 20.
PASSES = 64


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


def check_close(got, expected, steps=PASSES, scale=None):
    """Assert that numbers agree up to rounding.

    Args:
        got: Numbers of any shape.
        expected: As many of the same shape.
        steps: How many steps of float32 they may differ by.
        scale: How large what rounded was; by default, as large as the largest of ``expected``.
            Larger where what is compared is a difference.
    """
    got, expected = (torch.as_tensor(each, dtype=torch.float64) for each in (got, expected))
    assert expected.isfinite().all()
    if scale is None:
        scale = float(expected.abs().max()) if expected.numel() else 0.0
    torch.testing.assert_close(got, expected, rtol=0, atol=steps * STEP * scale)


def check_same(one, other, steps=PASSES):
    """Assert that two answers, or whatever else lists and dictionaries hold, are the same.

    All of their floats are of one scale: that of the largest.
    """
    numbers = [], []
    check_same_but_numbers(one, other, numbers)
    check_close(*numbers, steps)


def check_same_but_numbers(one, other, numbers):
    """Assert that all but floats is equal, and collect the floats of each."""
    if isinstance(one, float):
        assert isinstance(other, float)
        numbers[0].append(one)
        numbers[1].append(other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            check_same_but_numbers(one[key], other[key], numbers)
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            check_same_but_numbers(a, b, numbers)
    else:
        assert one == other
