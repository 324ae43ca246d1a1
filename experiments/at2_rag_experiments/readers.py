"""Readers of the same model that are told something else."""

from __future__ import annotations

from typing import Any

from at2_rag.reader import Reader


def with_settings(reader: Reader, **options: Any) -> Reader:
    """Return a reader with the same model, estimator and method, and other settings.

    Args:
        reader: The reader to take them from; it stays as it is.
        options: The settings that differ, by name.

    Raises:
        InputError: If there is no such setting, or it cannot have this value.
    """
    return Reader(
        reader.model,
        reader.tokenizer,
        reader.estimator,
        reader.settings,
        method=reader.method,
        **options,
    )
