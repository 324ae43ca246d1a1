"""Whether two readers rank methods alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from at2_rag.evaluation import Comparison, Estimate
from at2_rag.evaluation.results import Measurement
from at2_rag.evaluation.statistics import spearman
from torch import Tensor

from at2_rag_experiments.estimates import mean_over
from at2_rag_experiments.measuring import dependent_targets

_RESAMPLES = 2000
#: A difference of more standard errors than this is called clear.
_CLEAR = 2.0

#: A number by method, and by (example, target).
Values = Mapping[str, Mapping[tuple[int, int], float]]


@dataclass(frozen=True)
class Agreement:
    """How far two readers rank the methods alike by one metric.

    Attributes:
        metric: Name of the metric that they are ranked by.
        spearman: Rank correlation of the methods' means on both; the standard error is that of a
            bootstrap over examples.
        pairs: How many pairs of methods there are.
        same: How many pairs are in the same order on both.
        clear: How many pairs differ clearly on both, by more than two standard errors.
        reversed: Clear pairs that are in opposite order, as (better on the first, better on the
            second).
    """

    metric: str
    spearman: Estimate
    pairs: int
    same: int
    clear: int
    reversed: tuple[tuple[str, str], ...]


def metrics(ks: Sequence[int]) -> dict[str, Callable[[Comparison], Values]]:
    """Return, by name, what methods are ranked by, the higher the better."""

    def lds(found: Comparison) -> Values:
        return values_of(found, lambda m: m.lds, dependent_targets(found))

    def lds_of_all(found: Comparison) -> Values:
        return values_of(found, lambda m: m.lds)

    def drop(place: int) -> Callable[[Comparison], Values]:
        return lambda found: values_of(found, lambda m: m.drops[place])

    drops = {f"top-{k} drop": drop(place) for place, k in enumerate(ks)}
    return {"LDS (dependent)": lds, "LDS": lds_of_all, **drops}


def values_of(
    found: Comparison,
    value: Callable[[Measurement], float],
    kept: set[tuple[int, int]] | None = None,
) -> Values:
    """Return a number of each measurement.

    Args:
        found: The comparison that was measured.
        value: Takes the number from a measurement.
        kept: The (example, target) pairs to take it from; ``None`` for all.
    """
    values: dict[str, dict[tuple[int, int], float]] = {name: {} for name in found.methods}
    for m in found.measurements:
        if kept is None or (m.example, m.target) in kept:
            values[m.method][m.example, m.target] = value(m)
    return values


def agreement(metric: str, first: Values, second: Values, methods: Sequence[str]) -> Agreement:
    """Return how far two readers rank methods alike.

    Args:
        metric: Name of the metric.
        first: Values on one reader, the higher the better.
        second: Values on the other reader, for the same examples, with targets of its own.
        methods: Names of the methods to rank.
    """
    pairs = list(combinations(methods, 2))
    gaps = [[difference(values, a, b) for values in (first, second)] for a, b in pairs]
    signs = [[(gap.mean or 0.0) > 0 for gap in both] for both in gaps]
    clear = [all(map(_is_clear, both)) for both in gaps]
    turned = [
        (a, b) if on_first else (b, a)
        for (a, b), (on_first, on_second), sure in zip(pairs, signs, clear, strict=True)
        if sure and on_first != on_second
    ]
    return Agreement(
        metric,
        _rank_correlation((first, second), methods),
        len(pairs),
        sum(on_first == on_second for on_first, on_second in signs),
        sum(clear),
        tuple(turned),
    )


def _is_clear(difference: Estimate) -> bool:
    if difference.mean is None or difference.standard_error is None:
        return False
    return abs(difference.mean) > _CLEAR * difference.standard_error


def difference(values: Values, method: str, other: str) -> Estimate:
    """Return the mean of a method's values less another's, target by target."""
    return mean_over((p[0], values[method][p] - values[other][p]) for p in values[method])


def _rank_correlation(sides: Sequence[Values], methods: Sequence[str]) -> Estimate:
    """Return Spearman's correlation of the methods' means on both readers.

    The bootstrap draws examples, and each with its statements on both readers.
    """
    examples = sorted({e for values in sides for e, _ in values[methods[0]]})
    count = len(examples)
    if not count:
        return Estimate(None, None, 0)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(count, (_RESAMPLES, count), generator=generator)
    weights = torch.zeros(_RESAMPLES, count, dtype=torch.float64)
    weights.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))
    weights = torch.cat([torch.ones(1, count, dtype=torch.float64), weights])
    first, second = (_means(values, methods, examples, weights) for values in sides)
    found = spearman(first, second)
    error = float(found[1:].std()) if count > 1 else None
    return Estimate(float(found[0]), error, count)


def _means(
    values: Values, methods: Sequence[str], examples: Sequence[int], weights: Tensor
) -> Tensor:
    """Return (draws, methods): means over the targets of examples that count so often.

    Args:
        values: Values of each method.
        methods: Names of the methods, in the order of the columns.
        examples: Examples, in the order of the weights.
        weights: (draws, examples): how often each counts.
    """
    column = {example: index for index, example in enumerate(examples)}
    sums = torch.zeros(len(methods), len(examples), dtype=torch.float64)
    counts = torch.zeros(len(examples), dtype=torch.float64)
    for row, method in enumerate(methods):
        for (example, _), value in values[method].items():
            sums[row, column[example]] += value
            counts[column[example]] += row == 0
    return (weights @ sums.T) / (weights @ counts).clamp_min(1)[:, None]
