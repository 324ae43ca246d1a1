"""Models that are loaded already, taken out of what another library runs them with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.nn import Module
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from at2_rag.errors import InputError

#: What holds what runs a model: ``ChatHuggingFace`` an ``llm``, and this one a ``pipeline``.
_HOLDS = ("llm", "pipeline")


def model_of(pipeline: object) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the model that a pipeline runs, and the tokenizer of its prompts.

    Args:
        pipeline: A pipeline of transformers; ``HuggingFacePipeline`` or ``ChatHuggingFace`` of
            LangChain, whose own tokenizer comes before that of its pipeline; or ``HuggingFaceLLM``
            of LlamaIndex. They are known by what they hold, so none of these has to be installed.

    Raises:
        InputError: If no model of torch is in it, or no tokenizer.
    """
    model = _first(pipeline, ("model", "_model"), Module)
    tokenizer = _first(pipeline, ("tokenizer", "_tokenizer"), PreTrainedTokenizerBase)
    if model is None or tokenizer is None:
        missing = "model of transformers" if model is None else "tokenizer"
        raise InputError(
            f"pipeline is a {type(pipeline).__name__} without a {missing}; expected what runs a "
            "model here: a pipeline of transformers, HuggingFacePipeline or ChatHuggingFace of "
            "LangChain, or HuggingFaceLLM of LlamaIndex. Models behind an API show no attention."
        )
    return model, tokenizer


def _first(pipeline: object, names: tuple[str, ...], kind: type) -> Any:
    """Return what is of a kind and has one of these names, the outermost; ``None`` without."""
    found = (getattr(layer, name, None) for layer in _layers(pipeline) for name in names)
    return next((value for value in found if isinstance(value, kind)), None)


def _layers(pipeline: object) -> Iterator[object]:
    """Yield what is given, what it holds, and what that holds; no pipeline is further inside."""
    layer: object = pipeline
    for _ in range(len(_HOLDS) + 1):
        yield layer
        held = (getattr(layer, name, None) for name in _HOLDS)
        layer = next((each for each in held if each is not None), None)
        if layer is None:
            return
