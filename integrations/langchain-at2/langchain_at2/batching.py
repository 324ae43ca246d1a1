"""Many requests at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from at2_rag import Answer, Reader

from langchain_at2.inputs import Request

Result = Answer | Exception


def answer_all(
    reader: Reader,
    requests: Sequence[Request],
    options: Mapping[str, Any],
) -> list[Result]:
    """Answer requests in as few batches as possible; where one fails, the others still answer.

    Args:
        reader: The reader that answers.
        requests: The questions with their documents, checked.
        options: Options of ``reader.answer``, the same for all; requests with the same history
            share a batch.
    """
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for index, request in enumerate(requests):
        groups[repr(request.history)].append(index)
    found: dict[int, Result] = {}
    for indices in groups.values():
        group = [requests[index] for index in indices]
        shared = {"history": group[0].history, **options}
        found.update(zip(indices, _answer(reader, group, shared), strict=True))
    return [found[index] for index in range(len(requests))]


def _answer(reader: Reader, group: Sequence[Request], options: dict[str, Any]) -> list[Result]:
    """Answer requests that share their options."""
    if len(group) == 1:
        return [_answer_alone(reader, group[0], options)]
    pairs = [(request.question, request.readable_passages) for request in group]
    try:
        return list(reader.answer_batch(pairs, **options))
    except Exception:  # of one of them, or too many at once; halves tell, and stay batches
        half = len(group) // 2
        return _answer(reader, group[:half], options) + _answer(reader, group[half:], options)


def _answer_alone(reader: Reader, request: Request, options: dict[str, Any]) -> Result:
    try:
        return reader.answer(request.question, request.readable_passages, **options)
    except Exception as error:
        return error
