"""What was measured, and what was not and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Measurement:
    """One line of a table.

    Attributes:
        section: Name of the section that the measurement is part of.
        model: Name of the model's shape, or of what else was measured.
        point: What was varied and how it was set, by name.
        values: What was measured, by name; units are in the names.
        skipped: Why there are no values; empty if there are.
    """

    section: str
    model: str
    point: dict[str, Any]
    values: dict[str, float] = field(default_factory=dict)
    skipped: str = ""

    def __str__(self) -> str:
        point = ", ".join(f"{name} {value}" for name, value in self.point.items())
        values = ", ".join(f"{name} {shown(value)}" for name, value in self.values.items())
        return f"{self.section} | {self.model} | {point} | {self.skipped or values}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


def shown(value: Any) -> str:
    """Return a number with three digits, and text as it is."""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return a markdown table whose columns are the names in the rows, in order of first use."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, ["---"] * len(columns)]
    lines += [[shown(row.get(name, "")) for name in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def section_table(measurements: Iterable[Measurement]) -> str:
    """Return the measurements of one section as a table, and below it what was skipped."""
    kept = list(measurements)
    rows = [{"model": m.model, **m.point, **m.values} for m in kept if not m.skipped]
    skips = [{"model": m.model, **m.point, "skipped because": m.skipped} for m in kept if m.skipped]
    return "\n".join(table(part) for part in (rows, skips) if part)
