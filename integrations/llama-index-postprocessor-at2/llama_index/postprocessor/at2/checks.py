"""Checks of what a caller passes."""

from __future__ import annotations

from at2_rag import Reader


def check_reader(reader: object) -> Reader:
    """Return the reader.

    Raises:
        TypeError: If it is none.
    """
    if not isinstance(reader, Reader):
        raise TypeError(
            f"reader is a {type(reader).__name__}; expected an at2_rag.Reader: "
            'Reader.from_pretrained("…"), Reader.demo() or Reader(model, tokenizer).'
        )
    return reader


def check_prune_to(prune_to: int | None) -> int | None:
    """Return the number of nodes to prune to.

    Raises:
        ValueError: If it is no whole number of at least 1.
    """
    if prune_to is not None and (not isinstance(prune_to, int) or prune_to < 1):
        raise ValueError(f"prune_to is {prune_to!r}; expected a whole number of at least 1.")
    return prune_to
