"""Running many texts in batches of like length, within bounds, in the order that they came in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

T = TypeVar("T")


def in_length_batches(
    texts: Sequence[Sequence[int]],
    run: Callable[[list[Sequence[int]]], Sequence[T]],
    max_tokens: int,
    room: int = 0,
) -> list[T]:
    """Run texts together with others of like length, and return the results in the texts' order.

    The longest come first, since if memory is short it is so at once; a batch that does not fit
    is halved, and so are those after it.

    Args:
        texts: Token ids of each.
        run: Returns a result for each text of a batch.
        max_tokens: Bound on a batch: texts times the longest one and its room. One text is always
            run.
        room: Tokens that each text will grow by.

    Raises:
        torch.OutOfMemoryError: If one text alone does not fit.
    """
    order = sorted(range(len(texts)), key=lambda index: (-len(texts[index]), index))
    found: dict[int, T] = {}
    while order:
        count = max(1, max_tokens // (len(texts[order[0]]) + room))
        batch = order[:count]
        try:
            results = run([texts[index] for index in batch])
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
            max_tokens = (len(texts[order[0]]) + room) * (len(batch) // 2)
            continue
        found.update(zip(batch, results, strict=True))
        order = order[len(batch) :]
    return [found[index] for index in range(len(texts))]
