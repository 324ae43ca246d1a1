"""The check that a model's attention weights can be had exactly, made once on a few tokens."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from at2_rag.attention.hook import SUPPORTED, Listener, eager_function, install, listening
from at2_rag.attention.weights import AttentionCall, attention_weights
from at2_rag.errors import UnsupportedModelError
from at2_rag.model_facts import input_device, vocabulary_size

_TOKENS = 12
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class AttentionShape:
    """How many attention layers a model has, and heads in each."""

    layers: int
    heads: int


def probe_model(model: PreTrainedModel) -> tuple[AttentionShape, dict[int, int]]:
    """Make a model's attention recordable, and check it layer by layer.

    Returns:
        The model's shape, and the index of each attention layer by the identity of its module.

    Raises:
        UnsupportedModelError: If its weights cannot be had exactly.
    """
    refuse_unless_decoder(model)
    wrapped = install(model)
    model.set_attn_implementation(wrapped)
    before = _logits(model)
    install(model)
    probe = _Probe(type(model).__name__)
    try:
        with listening(probe):
            after = _logits(model)
    except RuntimeError as error:
        # Some models cut block masks to fewer queries, unless attention has its usual name.
        model.set_attn_implementation(wrapped)
        reason = str(error).partition("\n")[0]
        raise UnsupportedModelError(
            f"{type(model).__name__}, loaded with attn_implementation={wrapped!r}, cannot run with "
            f"its attention recorded: {reason} Load it with sdpa or eager attention. {SUPPORTED}"
        ) from error
    if not bool((after - before).abs().max() <= _TOLERANCE * before.abs().max()):
        model.set_attn_implementation(wrapped)
        raise UnsupportedModelError(
            f"{type(model).__name__} computes something else when its attention is recorded. "
            f"{SUPPORTED}"
        )
    return probe.shape(), probe.layers


class _Probe(Listener):
    """Checks a model's attention, layer by layer, against its own eager function."""

    def __init__(self, name: str) -> None:
        self.seen: dict[int, int] = {}
        self._name = name
        self._heads: list[int] = []
        self.layers: dict[int, int] = {}

    def hear(self, module: nn.Module, call: AttentionCall, arguments: dict[str, Any]) -> None:
        if id(module) in self.layers:
            raise UnsupportedModelError(
                f"{self._name} runs one attention layer several times in a pass. {SUPPORTED}"
            )
        self.layers[id(module)] = len(self.layers)
        self._heads.append(call.query.shape[1])
        call = call.from_row(0)
        expected = self._eager_weights(module, call, dict(arguments))
        rows = slice(0, call.query.shape[2])
        got = torch.cat([c.weights for c in attention_weights(call, rows)], dim=1)
        if got.shape != expected.shape:
            raise self._refusal(f"weights of shape {tuple(got.shape)}", tuple(expected.shape))
        if bool(got.triu(1).any()):
            raise UnsupportedModelError(
                f"{self._name} looks at later tokens; expected a decoder. {SUPPORTED}"
            )
        if not bool((difference := (got - expected).abs().max()) <= _TOLERANCE):
            raise self._refusal(f"a difference of {float(difference):.1e}", _TOLERANCE)

    def shape(self) -> AttentionShape:
        """Return what was seen, or refuse."""
        if not self.layers:
            raise UnsupportedModelError(
                f"No attention layer of {self._name} goes through transformers' "
                f"AttentionInterface. {SUPPORTED}"
            )
        if len(set(self._heads)) > 1:
            raise UnsupportedModelError(
                f"{self._name} has layers of {sorted(set(self._heads))} heads; expected the same "
                f"number in all. {SUPPORTED}"
            )
        return AttentionShape(len(self.layers), self._heads[0])

    def _eager_weights(
        self, module: nn.Module, call: AttentionCall, arguments: dict[str, Any]
    ) -> Tensor:
        eager = eager_function(module)
        if eager is None:
            raise UnsupportedModelError(
                f"{type(module).__name__} of {self._name} comes without an eager attention "
                f"function to check its weights against. {SUPPORTED}"
            )
        value = arguments.pop("value").float()
        query, key = call.query.float(), call.key.float()
        mask = call.mask.additive(query.shape[2], key.shape[2], query.device)
        _, weights = eager(module, query, key, value, mask, **arguments)
        return weights.float()

    def _refusal(self, got: str, expected: object) -> UnsupportedModelError:
        return UnsupportedModelError(
            f"The attention weights of {self._name} cannot be had exactly: {got}, expected "
            f"{expected} against its own eager attention. {SUPPORTED}"
        )


def _logits(model: PreTrainedModel) -> Tensor:
    tokens = torch.arange(1, _TOKENS + 1, device=input_device(model)) % vocabulary_size(model)
    with torch.no_grad():
        logits: Tensor = model(input_ids=tokens[None], use_cache=False).logits
    return logits


def refuse_unless_decoder(model: PreTrainedModel) -> None:
    """Raise ``UnsupportedModelError`` for encoders, encoder-decoders and other non-readers."""
    name = type(model).__name__
    if getattr(model.config, "is_encoder_decoder", False):
        raise UnsupportedModelError(f"{name} is an encoder-decoder. {SUPPORTED}")
    if not model.can_generate() or model.get_output_embeddings() is None:
        raise UnsupportedModelError(f"{name} does not generate text. {SUPPORTED}")
    if "input_ids" not in inspect.signature(model.forward).parameters:
        raise UnsupportedModelError(f"{name} does not read tokens. {SUPPORTED}")
    if not model._can_set_attn_implementation():
        raise UnsupportedModelError(
            f"{name} does not go through transformers' AttentionInterface. {SUPPORTED}"
        )
