"""Trying an architecture with a narrow random model, so that no weights are needed."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM

from at2_rag import AttentionShape, inspect_attention
from at2_rag.errors import At2Error, UnsupportedModelError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

#: The sizes that most architectures call by these names; an unknown one just stays as it is.
_NARROW = {
    **dict.fromkeys(("intermediate_size", "moe_intermediate_size", "ffn_dim", "n_inner"), 64),
    **dict.fromkeys(("shared_expert_intermediate_size", "intermediate_size_mlp"), 64),
    **dict.fromkeys(("vocab_size", "vocab_size_per_layer_input", "q_lora_rank"), 64),
    **dict.fromkeys(("num_attention_heads", "linear_num_key_heads"), 4),
    "linear_num_value_heads": 8,
}
_EXPERT_COUNTS = ("num_experts", "num_local_experts", "n_routed_experts")
_TOKEN_IDS = ("pad_token_id", "bos_token_id", "eos_token_id")


def inspect_config(config: PretrainedConfig) -> AttentionShape:
    """Return how many layers and heads could be recorded of a model with this configuration.

    Raises:
        UnsupportedModelError: If its attention weights could not be had exactly.
        At2Error: If that cannot be told without the weights.
    """
    decoder = config.get_text_config()
    heads = getattr(decoder, "num_attention_heads", None)
    if not heads:
        raise UnsupportedModelError(
            f"{config.model_type} names no attention heads; expected a model with attention."
        )
    try:
        shape = inspect_attention(_random_model(_narrow(decoder)))
    except At2Error:
        raise
    except Exception as error:  # whatever a size that does not suit the architecture leads to
        raise At2Error(
            f"Whether {config.model_type} is supported cannot be told from its configuration "
            f"({error}); expected a common one. Load it: at2-rag ask … --model …"
        ) from error
    return AttentionShape(shape.layers, heads)


def _random_model(config: PretrainedConfig) -> Any:
    if type(config) not in AutoModelForCausalLM._model_mapping:
        raise UnsupportedModelError(
            f"{config.model_type} is no decoder-only language model of the installed "
            "transformers; expected one that AutoModelForCausalLM can load."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def _narrow(config: PretrainedConfig) -> PretrainedConfig:
    """Return the same architecture with all its layers, but few heads and narrow matrices.

    The width of a head stays, because scaled position encodings are made for it.
    """
    narrow = deepcopy(config)
    head_width = config.hidden_size // config.num_attention_heads
    for name, size in _NARROW.items():
        _set(narrow, name, size)
    narrow.hidden_size = narrow.num_attention_heads * head_width
    _set(narrow, "word_embed_proj_dim", narrow.hidden_size)
    if vars(config).get("head_dim", head_width) is None:
        narrow.head_dim = head_width
    if hasattr(config, "num_key_value_heads"):
        ungrouped = config.num_key_value_heads in (None, config.num_attention_heads)
        narrow.num_key_value_heads = narrow.num_attention_heads // (1 if ungrouped else 2)
    chosen = getattr(config, "num_experts_per_tok", None) or 1
    groups = getattr(config, "n_group", None) or 1
    for name in _EXPERT_COUNTS:
        _set(narrow, name, max(8, chosen, 2 * groups))
    for name in _TOKEN_IDS:
        setattr(narrow, name, None)
    return narrow


def _set(config: PretrainedConfig, name: str, value: int) -> None:
    """Change a size that the architecture has."""
    if isinstance(getattr(config, name, None), int):
        setattr(config, name, value)
