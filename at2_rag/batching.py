"""Running many texts in batches of like length, within bounds, in the order that they came in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import TypeVar

import torch

T = TypeVar("T")


def in_batches(
    lengths: Sequence[int],
    run: Callable[[list[int]], Iterable[T]],
    *,
    most: int | None = None,
    max_tokens: int | None = None,
    max_padding: int | None = None,
) -> list[T]:
    """Run texts together with others of like length, and return the results in the texts' order.

    By length, so that little of a batch is padding. The longest come first, since if memory is
    short it is so at once; a batch that does not fit is halved, and so are those after it.

    Args:
        lengths: How many tokens each text takes.
        run: Returns a result for each text of a batch, given the texts' indices.
        most: How many texts a batch has at most; ``None`` for any number.
        max_tokens: Bound on a batch: its texts times the longest one's tokens. One text is always
            run. ``None`` for no bound.
        max_padding: Bound on what a batch computes in vain: the tokens by which its texts are
            shorter than the longest, all together. ``None`` for no bound.

    Raises:
        torch.OutOfMemoryError: If one text alone does not fit.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    found: dict[int, T] = {}
    while order:
        longest = max(1, lengths[order[0]])
        fitting = len(order) if max_tokens is None else max_tokens // longest
        batch = order[: max(1, min(fitting, len(order) if most is None else most))]
        if max_padding is not None:
            batch = _alike(batch, lengths, max_padding)
        try:
            results = run(batch)
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
            max_tokens = longest * (len(batch) // 2)
            continue
        found.update(zip(batch, results, strict=True))
        order = order[len(batch) :]
    return [found[index] for index in range(len(lengths))]


def _alike(batch: list[int], lengths: Sequence[int], max_padding: int) -> list[int]:
    """Return the first texts of a batch, the longest first, that are padded by no more than that.

    Args:
        batch: Indices of the texts, the longest first.
        lengths: How many tokens each text takes.
        max_padding: How many tokens of padding they may have together.
    """
    padding = accumulate(lengths[batch[0]] - lengths[index] for index in batch)
    return batch[: bisect_right(list(padding), max_padding)]


def in_length_batches(
    texts: Sequence[Sequence[int]],
    run: Callable[[list[Sequence[int]]], Iterable[T]],
    max_tokens: int,
    room: int = 0,
) -> list[T]:
    """Run texts that grow as :func:`in_batches` does.

    Args:
        texts: Token ids of each text.
        run: Returns a result for each text of a batch.
        max_tokens: Bound on a batch: its texts times the longest one's tokens and its room. One
            text is always run.
        room: How many tokens each text will grow by.

    Raises:
        torch.OutOfMemoryError: If one text alone does not fit.
    """
    return in_batches(
        [len(text) + room for text in texts],
        lambda batch: run([texts[index] for index in batch]),
        max_tokens=max_tokens,
    )
