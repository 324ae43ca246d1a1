"""The manifest of a run: everything that its records depend on."""

from __future__ import annotations

from typing import Any

from at2_rag.reader import Reader
from at2_rag.runs.manifest import reader_manifest

#: Changes with the layout of the files.
FORMAT = 2


def make_manifest(
    reader: Reader, *, num_ablations: int, source_unit: str, seed: int, copying: bool, detail: bool
) -> dict[str, Any]:
    """Return what a run's records depend on, as plain JSON types.

    Args:
        reader: The reader whose model is explained.
        num_ablations: How many random ablations each example has.
        source_unit: What a source is, and so what is ablated.
        seed: Which random ablations each example has; the same seed draws the same ones.
        copying: Whether the features of copying coefficients are collected.
        detail: Whether attention and effects by source are collected.
    """
    return {
        "format": FORMAT,
        **reader_manifest(reader),
        "num_ablations": num_ablations,
        "source_unit": source_unit,
        "seed": seed,
        "copying": copying,
        "detail": detail,
    }
