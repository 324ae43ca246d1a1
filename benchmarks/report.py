"""The results of a run, as JSON and as markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.aims import aims_rows
from benchmarks.records import Measurement, section_table, table


def as_markdown(
    conditions: dict[str, str], measurements: Sequence[Measurement], headline: str
) -> str:
    """Return everything as tables: conditions, aims, and what was measured.

    Args:
        conditions: What the run was measured on, by name.
        measurements: Everything that was measured, or skipped.
        headline: Which of the two times counts, as for :func:`benchmarks.aims.aims`.
    """
    rows = [{"condition": name, "": value} for name, value in conditions.items()]
    parts = ["# Benchmarks\n", table(rows), "## Aims\n", aims_table(measurements, headline)]
    for section in dict.fromkeys(m.section for m in measurements):
        parts.append(f"## {section[0].upper()}{section[1:]}\n")
        parts.append(section_table(m for m in measurements if m.section == section))
    return "\n".join(parts)


def aims_table(measurements: Sequence[Measurement], headline: str) -> str:
    """Return the aims beside what was measured."""
    columns = ("aim", "limit", "where", "measured", "reached")
    rows = aims_rows(measurements, headline)
    return table([{name: row.get(name, "") for name in columns} for row in rows])


def save(
    stem: Path, conditions: dict[str, str], measurements: Sequence[Measurement], headline: str
) -> None:
    """Write ``stem.json`` and ``stem.md``.

    Args:
        stem: Path of both files without a suffix.
        conditions: What the run was measured on, by name.
        measurements: Everything that was measured so far, or skipped.
        headline: Which of the two times counts, as for :func:`benchmarks.aims.aims`.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    content = {**conditions, "measurements": [m.to_dict() for m in measurements]}
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    stem.with_name(stem.name + ".json").write_text(text, encoding="utf-8")
    markdown = as_markdown(conditions, measurements, headline)
    stem.with_name(stem.name + ".md").write_text(markdown, encoding="utf-8")
