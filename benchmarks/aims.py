"""The aims, and what was measured beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.records import Measurement, shown


@dataclass(frozen=True)
class Aim:
    """A ratio, within one run, that is to be reached.

    Attributes:
        text: What the aim is called in the tables.
        section: Name of the section that measures the aim's value.
        point: The points that the aim is about, by name; all others of a measurement are free.
        value: Name of the value that is compared, or how to compute it from the measured ones.
        limit: The number that the value is compared with.
        at_least: Whether the value is to be the limit or more; else the limit or less.
    """

    text: str
    section: str
    point: dict[str, Any]
    value: str | Callable[[dict[str, float]], float]
    limit: float
    at_least: bool = False

    def rows(self, measurements: Sequence[Measurement]) -> list[dict[str, Any]]:
        """Return a row for each measurement that this aim is about, or one that says none is."""
        found = [m for m in measurements if self._is_about(m)]
        sign = "≥" if self.at_least else "≤"
        aim = {"aim": self.text, "limit": f"{sign} {shown(self.limit)}"}
        if not found:
            return [{**aim, "measured": "not in this run", "reached": ""}]
        return [{**aim, "where": _where(m), **self._judged(m)} for m in found]

    def _is_about(self, measurement: Measurement) -> bool:
        same = all(measurement.point.get(name) == wish for name, wish in self.point.items())
        return measurement.section == self.section and same and not measurement.skipped

    def _judged(self, measurement: Measurement) -> dict[str, str]:
        of = self.value
        value = measurement.values[of] if isinstance(of, str) else of(measurement.values)
        reached = value >= self.limit if self.at_least else value <= self.limit
        return {"measured": shown(value), "reached": "yes" if reached else "no"}


def aims(headline: str) -> tuple[Aim, ...]:
    """Return all aims.

    Args:
        headline: Which of the two times counts, ``"scoring"`` or ``"paired"``.
    """
    alone = {"layers": 32, "heads": 32, "context": 32768, "answer": 512}
    recording = {"scoring": "recording", "paired": "paired"}[headline] + " ÷ generating"
    return (
        *_scoring_aims(headline),
        Aim("recording ÷ generating", "recording", {}, recording, 0.02),
        Aim(
            "extra memory, 32 × 32 heads, 32k/512, MB",
            "memory of scoring alone",
            alone,
            "extra MB",
            256.0,
        ),
        Aim(
            "collection against full logits, times faster",
            "collection",
            {},
            "times faster",
            3.0,
            at_least=True,
        ),
        Aim("pruning ÷ once, less the second answer's own", "pruning", {}, _pruning, 1.05),
    )


def _scoring_aims(headline: str) -> tuple[Aim, ...]:
    """Return what scoring may cost, at each size."""
    sizes = {
        "1k/64": {"context": 1024, "answer": 64, "batch": 1},
        "4k/64": {"context": 4096, "answer": 64, "batch": 1},
        "4k/256": {"context": 4096, "answer": 256, "batch": 1},
    }
    all_heads = {"1k/64": 0.03, "4k/64": 0.03, "4k/256": 0.08}
    forward = f"{headline} ÷ forward"
    library, few = {"method": "library"}, {"method": "library, few heads"}
    hidden = {"method": "hidden states"}
    return (
        *(
            Aim(f"scoring ÷ forward, {name}", "scoring", size | library, forward, all_heads[name])
            for name, size in sizes.items()
        ),
        *(
            Aim(f"scoring ÷ forward, few heads, {name}", "scoring", size | few, forward, 0.01)
            for name, size in sizes.items()
        ),
        *(
            Aim(
                f"few heads against hidden states, {name}, times faster",
                "scoring",
                size | hidden,
                "scoring ÷ few heads'",
                40.0,
                at_least=True,
            )
            for name, size in sizes.items()
        ),
    )


def _pruning(values: dict[str, float]) -> float:
    return values["pruned ÷ once"] - values["second ÷ once"]


def aims_rows(measurements: Iterable[Measurement], headline: str) -> list[dict[str, Any]]:
    """Return one row or more for each aim."""
    kept = list(measurements)
    return [row for aim in aims(headline) for row in aim.rows(kept)]


def _where(measurement: Measurement) -> str:
    named = ("context", "answer", "width", "dtype", "passages")
    point = [f"{name} {measurement.point[name]}" for name in named if name in measurement.point]
    return ", ".join([measurement.model, *point])
