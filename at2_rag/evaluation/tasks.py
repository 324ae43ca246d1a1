"""Examples answered one by one, as tasks to measure methods on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from at2_rag.ablation.task import AttributionTask
from at2_rag.errors import ContextOverflowError

if TYPE_CHECKING:
    from at2_rag.datasets.example import TrainingExample
    from at2_rag.reader import Reader


def example_tasks(
    reader: Reader,
    examples: Iterable[TrainingExample],
    on_skip: Callable[[TrainingExample], None] | None = None,
    **options: Any,
) -> Iterator[AttributionTask]:
    """Yield a task for each example: its own answer, or the model's where it has none.

    Args:
        reader: The reader that answers, or reads the answers of the examples.
        examples: The questions with their passages, and with answers where they have some.
        on_skip: Called with an example that is too long for the model, which is left out.
        options: As for ``reader.task``; an example's own system prompt and template come before
            them.
    """
    for example in examples:
        try:
            task = reader.task(
                example.question,
                example.passages,
                example.answer,
                history=example.history,
                **{**options, **example.options},
            )
        except ContextOverflowError:
            if on_skip is not None:
                on_skip(example)
            continue
        yield task
