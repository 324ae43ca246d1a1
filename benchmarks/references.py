"""Two other ways to the same scores, to compare with.

Both are written for the module layout that llama and qwen2 share. Shapes: ``B`` texts, ``L``
layers, ``H`` query heads, ``R`` answer tokens, ``T`` tokens of prompt and answer.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel


@torch.inference_mode()
def by_eager_attention(
    model: PreTrainedModel, ids: Tensor, first_row: int, coefficients: Tensor
) -> Tensor:
    """Have eager attention return all weights, and combine those of the answer.

    Args:
        model: The model, with eager attention.
        ids: (B, T): token ids of prompt and answer.
        first_row: Position of the query that predicts the answer's first token.
        coefficients: (L, H): what the attention of each head counts for.

    Returns:
        (B, R, T): weighted attention.
    """
    output = model(input_ids=ids, use_cache=False, output_attentions=True, logits_to_keep=1)
    weights = torch.stack([layer[:, :, first_row:] for layer in output.attentions], dim=1)
    return _combined(weights, coefficients)


@torch.inference_mode()
def saved_hidden_states(model: PreTrainedModel, ids: Tensor) -> tuple[Tensor, ...]:
    """Run the model and return what went into each layer, (B, T, hidden) each."""
    output = model(input_ids=ids, use_cache=False, output_hidden_states=True, logits_to_keep=1)
    states: tuple[Tensor, ...] = output.hidden_states[:-1]
    return states


@torch.inference_mode()
def by_hidden_states(
    model: PreTrainedModel, states: tuple[Tensor, ...], first_row: int, coefficients: Tensor
) -> Tensor:
    """Recompute the answer's weights layer by layer into one tensor, and combine them.

    As in the published implementation, queries and keys of all positions are projected, keys are
    repeated for each query head, and all weights are held at once in the model's type.

    Args:
        model: The model that the hidden states are from.
        states: What :func:`saved_hidden_states` returned.
        first_row: Position of the query that predicts the answer's first token.
        coefficients: (L, H): what the attention of each head counts for.

    Returns:
        (B, R, T): weighted attention.
    """
    batch, tokens, _ = states[0].shape
    layers, heads = coefficients.shape
    weights = states[0].new_zeros(batch, layers, heads, tokens - first_row, tokens)
    places = torch.arange(tokens, device=weights.device)[None]
    rotation = model.model.rotary_emb(states[0], places)
    hidden_keys = places > places[0, first_row:, None]
    for index, (layer, state) in enumerate(zip(model.model.layers, states, strict=True)):
        weights[:, index] = _layer_weights(layer, state, rotation, hidden_keys, first_row)
    return _combined(weights, coefficients)


def _layer_weights(
    layer: Any, state: Tensor, rotation: Any, hidden_keys: Tensor, first_row: int
) -> Tensor:
    """Return (B, H, R, T) of one layer; ``hidden_keys`` (R, T) is true where a key is later."""
    attention = layer.self_attn
    home: Any = sys.modules[type(attention).__module__]
    normed = layer.input_layernorm(state)
    split = (*normed.shape[:2], -1, attention.head_dim)
    query = attention.q_proj(normed).view(split).transpose(1, 2)
    key = attention.k_proj(normed).view(split).transpose(1, 2)
    query, key = home.apply_rotary_pos_emb(query, key, *rotation)
    key = home.repeat_kv(key, attention.num_key_value_groups)
    logits = query[:, :, first_row:] @ key.transpose(2, 3) * attention.scaling
    logits = logits.masked_fill(hidden_keys, torch.finfo(logits.dtype).min)
    return torch.softmax(logits, dim=-1, dtype=torch.float32).to(logits.dtype)


def _combined(weights: Tensor, coefficients: Tensor) -> Tensor:
    """Return (B, R, T) of weights (B, L, H, R, T)."""
    chosen = coefficients.to(weights.device, weights.dtype)
    return torch.einsum("blhrk,lh->brk", weights, chosen).float()
