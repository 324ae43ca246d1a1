"""Probing a model: questions asked, heads weighed, thresholds chosen. Nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from at2_rag.attention.probe import AttentionShape
from at2_rag.attention.recording import inspect_attention
from at2_rag.estimators.files import EstimatorRecord
from at2_rag.estimators.probing.heads import HeadWeights, weigh_heads
from at2_rag.estimators.probing.passes import (
    EQUAL_TOKENS,
    EncodedProbe,
    Seen,
    encode_probe,
    see,
)
from at2_rag.estimators.probing.questions import PROBE_VERSION, probes
from at2_rag.estimators.probing.thresholds import calibrate_by_probes
from at2_rag.model_facts import context_length
from at2_rag.prompt.settings import Settings, settings_for

#: Passes of the model, of some 400 tokens each.
NUM_PROBES = 20

#: Heads stand out if those chosen on half of the statements put the right sentence first, of some
#: twenty, in at least this share of the other half.
_LEAST_FIRST = 0.5

#: How many passages a world has; fewer where more do not fit a model's context.
_PASSAGES = (8, 6, 4)

#: Called after each pass with how many are done and how many there are.
OnDone = Callable[[int, int], None]


def probe(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: Settings | None = None,
    on_done: OnDone | None = None,
) -> EstimatorRecord:
    """Find the heads of a model that look at what it says, and from which score on they tell.

    Where no head stands out, as in a model that was never trained or reads another language only,
    all heads count alike, and of their attention only what goes to tokens that equal the one being
    said. The record's ``metadata["probed"]`` says so under ``problem``.

    Args:
        model: A decoder whose attention can be recorded.
        tokenizer: The model's tokenizer.
        settings: Prompt template and so on, as a reader would use them; ``None`` for the defaults.
        on_done: Follows the passes.

    Returns:
        A record of the kind ``"probed"``, or ``"copying"`` where no head stands out.

    Raises:
        UnsupportedModelError: If the model's attention weights cannot be had exactly.
    """
    settings = settings or settings_for(model)
    asked = _encoded(model, tokenizer, settings)
    seen: list[Seen] = []
    for count, one in enumerate(asked, start=1):
        seen += see(model, one)
        if on_done is not None:
            on_done(count, len(asked))
    found, shape = weigh_heads(seen), inspect_attention(model)
    about = _about(found, seen, shape.heads)
    metadata = {"probed": about, "prompts": [settings.prompt.message]}
    if found.first < _LEAST_FIRST:
        about["problem"] = _problem(found, len(seen))
        return equal_tokens(shape, metadata)
    coefficients = found.weights.view(shape.layers, shape.heads)
    return EstimatorRecord(
        "probed",
        {"coefficients": coefficients, "equal_tokens": torch.tensor(EQUAL_TOKENS)},
        metadata,
        (replace(calibrate_by_probes(seen, found.weights), prompts=(settings.prompt.message,)),),
    )


def equal_tokens(shape: AttentionShape, metadata: Mapping[str, Any]) -> EstimatorRecord:
    """Return what weighs all heads alike, and looks only at tokens that equal the one being said.

    Args:
        shape: How many layers and heads the model has.
        metadata: What is worth knowing of the record.
    """
    every = torch.full((shape.layers, shape.heads), 1 / (shape.layers * shape.heads))
    tensors = {"coefficients": torch.zeros_like(every), "copying": every}
    return EstimatorRecord("copying", tensors, dict(metadata))


def _encoded(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: Settings
) -> list[EncodedProbe]:
    """Return probes that fit a model's context, about as large worlds as can be."""
    length = context_length(model)
    for passages in _PASSAGES:
        found = [encode_probe(tokenizer, one, settings) for one in probes(NUM_PROBES, passages)]
        if length is None or max(len(one.ids) for one in found) <= length:
            break
    return [one for one in found if length is None or len(one.ids) <= length]


def _problem(found: HeadWeights, statements: int) -> str:
    if not statements:
        return "no question with its passages fits its context"
    return (
        "no head finds what an answer goes back to; those that looked best put the right sentence "
        f"first in {found.first:.0%} of the probes"
    )


def _about(found: HeadWeights, seen: Sequence[Seen], heads: int) -> dict[str, object]:
    """Return what is worth knowing of a probe, in plain JSON types."""
    return {
        "version": PROBE_VERSION,
        "passes": NUM_PROBES,
        "statements": len(seen),
        "first": round(found.first, 3),
        "heads": [
            {"layer": index // heads, "head": index % heads, "weight": round(weight, 4)}
            for index, weight in _largest(found.weights)
        ],
    }


def _largest(weights: Tensor) -> list[tuple[int, float]]:
    """Return the weights above 0 with their indices, the largest first."""
    order = weights.argsort(descending=True, stable=True).tolist()
    return [(index, float(weights[index])) for index in order if weights[index] > 0]
