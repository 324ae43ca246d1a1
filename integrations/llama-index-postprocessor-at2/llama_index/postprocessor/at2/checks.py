"""Checks of what a caller passes."""

from __future__ import annotations

from at2_rag import InputError, Reader


def check_reader(reader: object) -> Reader:
    """Return the reader, or one of the model that is loaded already.

    Args:
        reader: A reader; or ``HuggingFaceLLM``, or a pipeline of transformers, as
            ``Reader.from_pipeline`` takes them.

    Raises:
        TypeError: If it is none of these.
        UnsupportedModelError: If the model's attention cannot be had exactly.
    """
    if isinstance(reader, Reader):
        return reader
    try:
        return Reader.from_pipeline(reader)
    except InputError as error:
        raise TypeError(
            f"reader is a {type(reader).__name__}; expected an at2_rag.Reader: "
            'Reader.from_pretrained("…"), Reader.demo() or Reader(model, tokenizer); or a model '
            f"that is loaded already. {error}"
        ) from error


def check_prune_to(prune_to: int | None) -> int | None:
    """Return the number of nodes to prune to.

    Raises:
        ValueError: If it is no whole number of at least 1.
    """
    whole = isinstance(prune_to, int) and not isinstance(prune_to, bool)
    if prune_to is not None and (not whole or prune_to < 1):
        raise ValueError(f"prune_to is {prune_to!r}; expected a whole number of at least 1.")
    return prune_to
