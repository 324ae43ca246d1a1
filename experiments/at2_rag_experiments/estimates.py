"""Means with their uncertainty, of numbers that come from examples."""

from __future__ import annotations

from collections.abc import Iterable

from at2_rag.evaluation.results import Estimate


def mean_of(values: Iterable[float]) -> Estimate:
    """Return the mean of values, each of which is of an example of its own."""
    found = [float(value) for value in values]
    return Estimate.of(found, range(len(found)))


def mean_over(pairs: Iterable[tuple[int, float]]) -> Estimate:
    """Return the mean of values, of which several may be of one example.

    Args:
        pairs: The example and the value of each.
    """
    found = list(pairs)
    return Estimate.of([float(value) for _, value in found], [example for example, _ in found])
