"""Many requests at once, where the reader can."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from at2_rag import Answer, Reader

from langchain_at2.inputs import Request


def can_batch(reader: Reader) -> bool:
    """Tell whether a reader answers many questions at once."""
    return hasattr(reader, "answer_batch")


def answer_all(
    reader: Reader,
    requests: Sequence[Request],
    options_of: Callable[[Request], dict[str, Any]],
) -> list[Answer | Exception]:
    """Answer requests in as few batches as possible; where one fails, the others still answer.

    Args:
        reader: The reader.
        requests: The requests.
        options_of: Options of ``reader.answer`` for a request; those with the same ones share a
            batch. A request with a history is answered alone.
    """
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for index, request in enumerate(requests):
        alone = f"alone {index}" if request.history else ""
        groups[alone or repr(sorted(options_of(request).items()))].append(index)
    found: dict[int, Answer | Exception] = {}
    for indices in groups.values():
        group = [requests[index] for index in indices]
        found.update(zip(indices, _answer(reader, group, options_of), strict=True))
    return [found[index] for index in range(len(requests))]


def _answer(
    reader: Reader,
    group: Sequence[Request],
    options_of: Callable[[Request], dict[str, Any]],
) -> Sequence[Answer | Exception]:
    if len(group) > 1:
        pairs = [(request.question, request.readable_passages) for request in group]
        try:
            return list(reader.answer_batch(pairs, **options_of(group[0])))  # type: ignore[attr-defined]
        except Exception:  # of one of them; which one shows when each is answered alone
            pass
    return [_answer_alone(reader, request, options_of(request)) for request in group]


def _answer_alone(reader: Reader, request: Request, options: dict[str, Any]) -> Answer | Exception:
    try:
        return reader.answer(
            request.question, request.readable_passages, history=request.history, **options
        )
    except Exception as error:
        return error
