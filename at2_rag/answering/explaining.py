"""A reading as something to explain, for methods and metrics."""

from __future__ import annotations

from transformers import PreTrainedModel

from at2_rag.ablation.removal import Shorter, ShorterPrompts
from at2_rag.ablation.reuse import Beginning
from at2_rag.ablation.task import AttributionTask
from at2_rag.ablation.thought_removal import ShorterPromptsAndThoughts
from at2_rag.answer.answer import Answer
from at2_rag.answering.reading import Reading


def attribution_task(model: PreTrainedModel, reading: Reading, answer: Answer) -> AttributionTask:
    """Return what a reading leaves to explain.

    The thoughts are a part of what comes before the answer (section 2.3).

    Args:
        model: The model that wrote the answer, or read it.
        reading: What the pass over prompt and answer left behind.
        answer: The reading's answer, with its citations.
    """
    layout, response = reading.layout, reading.written.response
    before = _before_the_response(reading)
    return AttributionTask(
        model,
        (*before, *reading.written.ids[response.tokens]),
        len(before),
        layout.source_tokens,
        response.targets,
        answer,
        thoughts=layout.said["thoughts"],
        prompts=_shorter(reading),
        known=Beginning.of(reading.cache),
    )


def _before_the_response(reading: Reading) -> tuple[int, ...]:
    thoughts = reading.written.ids[: reading.written.response.first]
    return (*reading.prompt.ids[: reading.prompt_length], *thoughts)


def _shorter(reading: Reading) -> Shorter:
    """Return what makes all that comes before the response without some sources."""
    layout, first = reading.layout, reading.prompt_length
    prompts = ShorterPrompts(
        reading.maker,
        reading.prompt.shown,
        layout.sources["prompt"],
        # The text where it was tokenized with the prompt; nothing where it was generated.
        reading.prompt.behind.strip(),
    )
    written = reading.written.ids[: reading.written.response.first]
    if not written:
        return prompts
    places = layout.source_tokens[layout.sources.places["thoughts"]]
    return ShorterPromptsAndThoughts(
        prompts, written, tuple((a - first, b - first) for a, b in places)
    )
