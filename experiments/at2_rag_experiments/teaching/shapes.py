"""Small models of several architectures, all of one size, to be taught from scratch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from at2_rag.errors import InputError
from transformers import (
    GPTNeoXConfig,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedTokenizerBase,
    Qwen2Config,
)

_LONGEST = 2048


def _llama(shared: Mapping[str, Any]) -> PretrainedConfig:
    """The demo reader's: rotary positions, RMSNorm, no biases, a gated MLP."""
    return LlamaConfig(**shared, intermediate_size=704, num_key_value_heads=8)


def _gpt_neox(shared: Mapping[str, Any]) -> PretrainedConfig:
    """LayerNorm, biases, attention and a plain MLP side by side, some positions not rotated."""
    return GPTNeoXConfig(
        **shared,
        intermediate_size=1024,
        hidden_act="gelu",
        use_parallel_residual=True,
        attention_bias=True,
        rotary_pct=0.5,
    )


def _qwen2(shared: Mapping[str, Any]) -> PretrainedConfig:
    """Biases in the attention alone, and half as many heads for keys and values."""
    return Qwen2Config(**shared, intermediate_size=704, num_key_value_heads=4)


#: By the name that transformers gives the kind of model.
_SHAPES: Mapping[str, Callable[[Mapping[str, Any]], PretrainedConfig]] = {
    "llama": _llama,
    "gpt_neox": _gpt_neox,
    "qwen2": _qwen2,
}
SHAPE_NAMES = tuple(_SHAPES)


def small_shape(name: str, tokenizer: PreTrainedTokenizerBase) -> PretrainedConfig:
    """Return the config of a model of about 3.6 million parameters, 4 layers of 8 heads.

    Args:
        name: Name of the shape, one of :data:`SHAPE_NAMES`.
        tokenizer: The model's tokenizer; the special tokens come from it.

    Raises:
        InputError: If there is no such shape.
    """
    if name not in _SHAPES:
        raise InputError(f"There is no shape {name!r}; expected one of {', '.join(_SHAPES)}.")
    shared = {
        "vocab_size": len(tokenizer),
        "hidden_size": 256,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "max_position_embeddings": _LONGEST,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    return _SHAPES[name](shared)
