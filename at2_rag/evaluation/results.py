"""What a comparison found: every measurement, and summaries derived from them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

_ESM = re.compile(r"esm-(\d+)$")


@dataclass(frozen=True)
class Estimate:
    """A mean with its uncertainty.

    Attributes:
        mean: Mean of all values; ``None`` where there were none.
        standard_error: Standard error of the mean; ``None`` with fewer than two examples.
        count: How many values the mean is of.
    """

    mean: float | None
    standard_error: float | None
    count: int

    @classmethod
    def of(cls, values: Sequence[float], examples: Sequence[int]) -> Estimate:
        """Estimate a mean from values of which those of one example are not independent.

        The standard error is that of a mean over clusters; with one value an example it is the
        standard deviation over √n.

        Args:
            values: The values to take the mean of, one per target.
            examples: The example that each target belongs to.
        """
        if not values:
            return cls(None, None, 0)
        mean = fmean(values)
        totals: dict[int, float] = {}
        for value, example in zip(values, examples, strict=True):
            totals[example] = totals.get(example, 0.0) + value - mean
        clusters = len(totals)
        if clusters < 2:
            return cls(mean, None, len(values))
        squares = sum(total * total for total in totals.values()) * clusters / (clusters - 1)
        return cls(mean, math.sqrt(squares) / len(values), len(values))

    def __str__(self) -> str:
        if self.mean is None:
            return "–"
        error = "" if self.standard_error is None else f" ± {self.standard_error:.2f}"
        return f"{self.mean:.2f}{error}"


@dataclass(frozen=True)
class MeasuredTarget:
    """A statement that methods were measured on.

    Attributes:
        example: Index of the example that the statement is from.
        target: Index of the statement within its example.
        text: The text of the statement.
        log_probability: Log-probability of the statement with nothing ablated, in nats.
        spread: Range of the statement's log-probability under random ablations, in nats.
        dependent: Whether the spread is wide enough for the statement to depend on its sources.
    """

    example: int
    target: int
    text: str
    log_probability: float
    spread: float
    dependent: bool


@dataclass(frozen=True)
class Measurement:
    """How good one method's scores for one target are.

    Attributes:
        method: Name of the method.
        example: Index of the example.
        target: Index of the target within its example.
        lds: Linear datamodeling score, from -1 to 1.
        drops: Top-k drop for each k, in nats.
        first: Index of the source that the method scores highest.
    """

    method: str
    example: int
    target: int
    lds: float
    drops: tuple[float, ...]
    first: int


@dataclass(frozen=True)
class Timing:
    """How long one method took for one example, all targets together.

    Attributes:
        method: Name of the method.
        example: Index of the example.
        seconds: How many seconds the method took, as measured.
        forward_seconds: How many seconds one forward pass over the same tokens took.
        forward_passes: How many forward passes the method needs, by count.
    """

    method: str
    example: int
    seconds: float
    forward_seconds: float
    forward_passes: float


@dataclass(frozen=True)
class MethodSummary:
    """One method over all targets.

    Attributes:
        method: Name of the method.
        drops: Top-k drop for each k, in nats, over all targets.
        lds: Linear datamodeling score over all targets.
        lds_dependent: Linear datamodeling score over the targets that depend on their sources.
        seconds: Median time that the method took for an example, in seconds.
        time_ratio: Median ratio of an example's time to the time of one forward pass.
        forward_passes: Mean number of forward passes needed for an example, by count.
    """

    method: str
    drops: dict[int, Estimate]
    lds: Estimate
    lds_dependent: Estimate
    seconds: float
    time_ratio: float
    forward_passes: float


@dataclass(frozen=True)
class Comparison:
    """Methods measured on the same targets with the same ablations.

    Attributes:
        methods: Names of the methods, in the order they were given.
        ks: How many of the highest-scoring sources each of the top-k drops ablates.
        num_ablations: How many random ablations each example has.
        min_spread: Least spread with which a target counts as dependent, in nats.
        seed: Which random ablations each example has; the same seed draws the same ones.
        skipped: How many examples had no statement or no source.
        targets: Every target that the methods were measured on.
        measurements: How good every method's scores are, on every target.
        timings: How long every method took, for every example.
    """

    methods: tuple[str, ...]
    ks: tuple[int, ...]
    num_ablations: int
    min_spread: float
    seed: int
    skipped: int
    targets: tuple[MeasuredTarget, ...]
    measurements: tuple[Measurement, ...]
    timings: tuple[Timing, ...]

    @property
    def examples(self) -> int:
        """How many examples were measured."""
        return len({target.example for target in self.targets})

    @property
    def dependent(self) -> int:
        """How many targets depend on their sources."""
        return sum(target.dependent for target in self.targets)

    @property
    def summaries(self) -> tuple[MethodSummary, ...]:
        """Return one summary per method, in order."""
        return tuple(self.summary(method) for method in self.methods)

    def summary(self, method: str) -> MethodSummary:
        """Return one method's means.

        Raises:
            KeyError: If no such method was compared.
        """
        self._check_compared(method)
        found = [m for m in self.measurements if m.method == method]
        moved = {(t.example, t.target) for t in self.targets if t.dependent}
        depending = [m for m in found if (m.example, m.target) in moved]
        timings = [t for t in self.timings if t.method == method]
        return MethodSummary(
            method,
            {k: _estimate(found, [m.drops[i] for m in found]) for i, k in enumerate(self.ks)},
            _estimate(found, [m.lds for m in found]),
            _estimate(depending, [m.lds for m in depending]),
            median(t.seconds for t in timings),
            median(t.seconds / t.forward_seconds for t in timings),
            fmean(t.forward_passes for t in timings),
        )

    def agreement(self, method: str, reference: str) -> Estimate:
        """Return how often two methods score the same source highest, over dependent targets.

        Args:
            method: Name of the one method.
            reference: Name of the other method, such as that of the surrogate with the most
                ablations.

        Raises:
            KeyError: If one of them was not compared.
        """
        moved = {(t.example, t.target) for t in self.targets if t.dependent}
        firsts = [self._firsts(name) for name in (method, reference)]
        places = [place for place in firsts[0] if place in moved]
        same = [float(firsts[0][place] == firsts[1][place]) for place in places]
        return Estimate.of(same, [example for example, _ in places])

    @property
    def largest_surrogate(self) -> str | None:
        """Name of the surrogate with the most ablations among the methods, the best there is."""
        counts = {name: int(found[1]) for name in self.methods if (found := _ESM.match(name))}
        return max(counts, key=lambda name: counts[name]) if counts else None

    def _firsts(self, method: str) -> dict[tuple[int, int], int]:
        self._check_compared(method)
        found = (m for m in self.measurements if m.method == method)
        return {(m.example, m.target): m.first for m in found}

    def _check_compared(self, method: str) -> None:
        if method not in self.methods:
            raise KeyError(f"{method!r} was not compared; there are {', '.join(self.methods)}.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types: the summaries, then all that they are made of."""
        found = {
            "examples": self.examples,
            "dependent": self.dependent,
            "summaries": [asdict(summary) for summary in self.summaries],
            **asdict(self),
        }
        # Tuples become lists and numbers as keys text, as whoever reads the file will find them.
        plain: dict[str, Any] = json.loads(json.dumps(found, allow_nan=False))
        return plain


def _estimate(measurements: Sequence[Measurement], values: Sequence[float]) -> Estimate:
    return Estimate.of(values, [m.example for m in measurements])
