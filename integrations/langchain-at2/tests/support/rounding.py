"""What is the same up to rounding, in steps of the largest number compared."""

import pytest

#: From 1 to the next number of float32, and how many such steps two passes of a small model differ
#: by, batched or cut into other pieces: measured, up to some 20.
STEP, PASSES = 2.0**-23, 64


def close(expected, scale=None):
    """Return numbers that compare equal to those that differ by rounding alone.

    Args:
        expected: A number, or a list of them.
        scale: How large what rounded was; by default, as large as the largest of ``expected``.
    """
    numbers = expected if isinstance(expected, list) else [expected]
    if scale is None:
        scale = max(map(abs, numbers), default=0.0)
    return pytest.approx(expected, rel=0, abs=PASSES * STEP * scale)
