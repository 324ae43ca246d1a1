"""What kinds of layers a model has, how far back they look, and what remembers a text for them."""

from __future__ import annotations

from transformers import DynamicCache, PreTrainedModel

from at2_rag.attention.recording import inspect_attention

#: What configurations call layers whose tokens know others by attention only. Others, such as
#: convolutions and linear attention, know tokens by their neighbours.
_FULL, _SLIDING, _CHUNKED = "full_attention", "sliding_attention", "chunked_attention"


def has_other_layers(model: PreTrainedModel) -> bool:
    """Return whether some layers are no attention, such as linear attention or convolutions."""
    return bool(_kinds(model) - {_FULL, _SLIDING, _CHUNKED})


def is_attention_only(model: PreTrainedModel) -> bool:
    """Return whether every layer is attention that can be recorded.

    Raises:
        UnsupportedModelError: If the model's attention weights cannot be had exactly.
    """
    layers = int(model.config.get_text_config().num_hidden_layers)
    return not has_other_layers(model) and inspect_attention(model).layers == layers


def reaches(model: PreTrainedModel) -> dict[str, int | None]:
    """Return how far back each kind of attention looks, in tokens; ``None`` for all the way.

    A chunk is as long as the furthest look within it.

    Args:
        model: A model; one with layers of a single kind has that under ``"full_attention"``.
    """
    config = model.config.get_text_config()
    window, chunk = (
        getattr(config, name, None) or None for name in ("sliding_window", "attention_chunk_size")
    )
    kinds = _kinds(model)
    if not kinds:
        return {_FULL: window}
    told = {_FULL: None, _SLIDING: window, _CHUNKED: chunk}
    return {kind: told.get(kind) for kind in sorted(kinds)}


def shortest_reach(model: PreTrainedModel) -> int | None:
    """Return how far back the layers look that look least far; ``None`` if all see everything."""
    return min((reach for reach in reaches(model).values() if reach is not None), default=None)


def whole_cache(model: PreTrainedModel) -> DynamicCache | None:
    """Return an empty cache of every token; ``None`` where some layers are no attention.

    A model's own forgets what a sliding window has passed, and other layers remember no tokens, so
    that nothing could go on from an earlier place of the text.

    Args:
        model: The model that is to remember.
    """
    return DynamicCache() if is_attention_only(model) else None


def _kinds(model: PreTrainedModel) -> set[str]:
    """Return the kinds of layers that a model's configuration tells; none if all are alike."""
    return set(getattr(model.config.get_text_config(), "layer_types", None) or ())
