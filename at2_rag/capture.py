"""Recording what every attention layer of a transformers model is handed.

transformers lets anyone register an attention function, which its models then call after
position encoding and cache update. Ours hands everything on to the function that the model was
loaded with, and, while a recording is on in the current thread or task, looks at the queries and
keys that went by. There is no code per architecture; instead every model is checked once, on a
few tokens, against its own eager attention.
"""

from __future__ import annotations

import inspect
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from at2_rag.attention import (
    DEFAULT_BYTE_LIMIT,
    AttentionCall,
    WeightChunk,
    attention_weights,
    finite,
)
from at2_rag.errors import UnsupportedModelError

_PREFIX = "at2_recording_"
_PROBE_TOKENS = 12
_PROBE_TOLERANCE = 1e-5
_SUPPORTED = (
    "Supported are decoder-only language models of transformers whose attention goes through "
    "its AttentionInterface, such as Llama, Qwen, Mistral, Gemma, Phi, OLMo, Granite, SmolLM, "
    "GPT-NeoX and gpt-oss, loaded with sdpa, eager or flash attention."
)


class Fold(Protocol):
    """Consumes attention weights as they come and keeps something small."""

    def add(self, layer: int, chunk: WeightChunk) -> None:
        """Take in the weights of some heads and rows of one layer."""


class RecordingLost(Exception):
    """The pass could not be followed, as with a preallocated cache; read it in one pass instead."""


@dataclass(frozen=True)
class AttentionShape:
    """How many attention layers a model has, and heads in each."""

    layers: int
    heads: int


class _Listener(Protocol):
    seen: dict[int, int]
    """Queries that each attention module, by identity, has been handed so far."""

    def hear(self, module: nn.Module, call: AttentionCall, arguments: dict[str, Any]) -> None: ...


#: Belongs to the current thread or task, so that concurrent answers never see each other.
_listener: ContextVar[_Listener | None] = ContextVar("at2_listener", default=None)


def _eager_function(module: nn.Module) -> Callable[..., tuple[Tensor, Tensor]] | None:
    """Return the eager attention that the module's own file defines."""
    home = sys.modules.get(type(module).__module__)
    return getattr(home, "eager_attention_forward", None)


def _recording_function(wrapped: str) -> Callable[..., tuple[Tensor, Tensor | None]]:
    def attention(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        if (listener := _listener.get()) is not None:
            first_query = listener.seen.get(id(module), 0)
            listener.seen[id(module)] = first_query + query.shape[2]
            call = _as_call(module, query, key, attention_mask, first_query, kwargs)
            listener.hear(module, call, {"value": value, **kwargs})
        function = ALL_ATTENTION_FUNCTIONS.get(wrapped) or _eager_function(module)
        assert function is not None  # checked when the model's capture was made
        result: tuple[Tensor, Tensor | None] = function(
            module, query, key, value, attention_mask, **kwargs
        )
        return result

    return attention


def _as_call(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    mask: Any,
    first_query: int,
    kwargs: dict[str, Any],
) -> AttentionCall:
    if mask is not None and not isinstance(mask, Tensor):
        raise UnsupportedModelError(
            f"{type(module).__name__} was handed a {type(mask).__name__} as its mask; expected a "
            'tensor. Load the model with attn_implementation="sdpa" or "eager".'
        )
    scaling = kwargs.get("scaling")
    sinks = kwargs.get("s_aux")
    causal = kwargs.get("is_causal")
    return AttentionCall(
        query.detach(),
        key.detach(),
        mask,
        scaling=query.shape[-1] ** -0.5 if scaling is None else float(scaling),
        first_query=first_query,
        causal=getattr(module, "is_causal", True) if causal is None else bool(causal),
        softcap=kwargs.get("softcap"),
        sinks=getattr(module, "sinks", None) if sinks is None else sinks,
        sliding_window=kwargs.get("sliding_window"),
        position_bias=kwargs.get("position_bias"),
    )


@contextmanager
def _listening(listener: _Listener) -> Iterator[None]:
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


class AttentionCapture:
    """Records one model's attention; made once per model by :func:`capture_of`.

    Attributes:
        shape: Layers that have attention, and heads in each.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        refuse_unless_decoder(model)
        before = _probe_logits(model)
        wrapped = install(model)
        probe = _Probe(type(model).__name__)
        with _listening(probe):
            after = _probe_logits(model)
        if not bool((after - before).abs().max() <= _PROBE_TOLERANCE * before.abs().max()):
            model.set_attn_implementation(wrapped)
            raise UnsupportedModelError(
                f"{type(model).__name__} computes something else when its attention is recorded. "
                + _SUPPORTED
            )
        self.shape = probe.shape()
        self._layers = probe.layers

    @contextmanager
    def recording(
        self,
        model: PreTrainedModel,
        fold: Fold,
        first_row: int,
        byte_limit: int = DEFAULT_BYTE_LIMIT,
    ) -> Iterator[None]:
        """Fold the attention weights of all queries from position ``first_row`` on.

        Covers what the current thread or task computes within the block: one forward pass, or a
        generation step by step.

        Args:
            model: The model that this capture was made for.
            fold: Takes the weights.
            first_row: Absolute position of the first query that is wanted.
            byte_limit: Working memory, as for :func:`at2_rag.attention.attention_weights`.

        Raises:
            RecordingLost: From within the model's pass, if its cache cannot be followed.
        """
        install(model)  # in case somebody chose another attention function since
        with _listening(_Recorder(self._layers, fold, first_row, byte_limit)):
            yield


class _Recorder:
    def __init__(self, layers: dict[int, int], fold: Fold, first_row: int, byte_limit: int) -> None:
        self.seen: dict[int, int] = {}
        self._layers, self._fold = layers, fold
        self._first_row, self._byte_limit = first_row, byte_limit

    def hear(self, module: nn.Module, call: AttentionCall, arguments: dict[str, Any]) -> None:
        layer = self._layers.get(id(module))
        queries, keys = call.query.shape[2], call.key.shape[2]
        # A preallocated cache hands over more keys than were seen; without any cache, every
        # step hands over the whole text again.
        repeated = call.first_query > 0 and keys == queries > 1
        if layer is None or call.first_key < 0 or repeated:
            raise RecordingLost
        start = max(0, self._first_row - call.first_query)
        if start >= queries:
            return
        for chunk in attention_weights(call, slice(start, queries), self._byte_limit):
            self._fold.add(layer, chunk)


class _Probe:
    """Checks a model's attention, layer by layer, against its own eager function."""

    def __init__(self, name: str) -> None:
        self.seen: dict[int, int] = {}
        self._name = name
        self._heads: list[int] = []
        self.layers: dict[int, int] = {}

    def hear(self, module: nn.Module, call: AttentionCall, arguments: dict[str, Any]) -> None:
        if id(module) in self.layers:
            raise UnsupportedModelError(
                f"{self._name} runs one attention layer several times in a pass. {_SUPPORTED}"
            )
        self.layers[id(module)] = len(self.layers)
        self._heads.append(call.query.shape[1])
        expected = self._eager_weights(module, call, dict(arguments))
        rows = slice(0, call.query.shape[2])
        got = torch.cat([c.weights for c in attention_weights(call, rows)], dim=1)
        if got.shape != expected.shape:
            raise self._refusal(f"weights of shape {tuple(got.shape)}", tuple(expected.shape))
        if bool(got.triu(1).any()):
            raise UnsupportedModelError(
                f"{self._name} looks at later tokens; expected a decoder. {_SUPPORTED}"
            )
        if not bool((difference := (got - expected).abs().max()) <= _PROBE_TOLERANCE):
            raise self._refusal(f"a difference of {float(difference):.1e}", _PROBE_TOLERANCE)

    def shape(self) -> AttentionShape:
        """Return what was seen, or refuse."""
        if not self.layers:
            raise UnsupportedModelError(
                f"No attention layer of {self._name} goes through transformers' "
                f"AttentionInterface. {_SUPPORTED}"
            )
        if len(set(self._heads)) > 1:
            raise UnsupportedModelError(
                f"{self._name} has layers of {sorted(set(self._heads))} heads; expected the same "
                f"number in all. {_SUPPORTED}"
            )
        return AttentionShape(len(self.layers), self._heads[0])

    def _eager_weights(
        self, module: nn.Module, call: AttentionCall, arguments: dict[str, Any]
    ) -> Tensor:
        eager = _eager_function(module)
        if eager is None:
            raise UnsupportedModelError(
                f"{type(module).__name__} of {self._name} comes without an eager attention "
                f"function to check its weights against. {_SUPPORTED}"
            )
        value = arguments.pop("value").float()
        _, weights = eager(
            module, call.query.float(), call.key.float(), value, _additive(call), **arguments
        )
        return weights.float()

    def _refusal(self, got: str, expected: object) -> UnsupportedModelError:
        return UnsupportedModelError(
            f"The attention weights of {self._name} cannot be had exactly: {got}, expected "
            f"{expected} against its own eager attention. {_SUPPORTED}"
        )


def _additive(call: AttentionCall) -> Tensor:
    """Return the mask as eager functions take it: (B or 1, 1, Q, K), added to the logits."""
    queries, keys = call.query.shape[2], call.key.shape[2]
    mask = call.mask
    if mask is not None and mask.dim() == 4 and mask.dtype != torch.bool:
        return finite(mask[..., :keys])
    if mask is None or mask.dim() != 4:
        mask = torch.ones(1, 1, queries, keys, dtype=torch.bool, device=call.query.device)
        mask = mask.tril(keys - queries) if call.causal else mask
    zeros = torch.zeros(mask.shape, device=call.query.device)
    return zeros.masked_fill(~mask, torch.finfo(torch.float32).min)


def _probe_logits(model: PreTrainedModel) -> Tensor:
    vocabulary = model.get_input_embeddings().weight.shape[0]
    tokens = torch.arange(1, _PROBE_TOKENS + 1, device=model.device) % vocabulary
    with torch.no_grad():
        logits: Tensor = model(input_ids=tokens[None], use_cache=False).logits
    return logits


def install(model: PreTrainedModel) -> str:
    """Make the model's attention recordable and return the name of the function it goes on using.

    Raises:
        UnsupportedModelError: If the function it was loaded with cannot be followed.
    """
    wrapped: str = model.config._attn_implementation
    if wrapped.startswith(_PREFIX):
        return wrapped.removeprefix(_PREFIX)
    if wrapped != "eager" and wrapped not in ALL_ATTENTION_FUNCTIONS:
        raise UnsupportedModelError(
            f"{type(model).__name__} was loaded with attn_implementation={wrapped!r}, which is "
            f"not registered with transformers. {_SUPPORTED}"
        )
    if "flex" in wrapped or "paged" in wrapped:
        raise UnsupportedModelError(
            f"{type(model).__name__} was loaded with attn_implementation={wrapped!r}, whose masks "
            "cannot be read row by row. Load it with sdpa, eager or flash attention."
        )
    name = _PREFIX + wrapped
    if name not in ALL_ATTENTION_FUNCTIONS:
        AttentionInterface.register(name, _recording_function(wrapped))
        AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS[wrapped])
    model.set_attn_implementation(name)
    return wrapped


def refuse_unless_decoder(model: PreTrainedModel) -> None:
    """Raise ``UnsupportedModelError`` for encoders, encoder-decoders and other non-readers."""
    name = type(model).__name__
    if getattr(model.config, "is_encoder_decoder", False):
        raise UnsupportedModelError(f"{name} is an encoder-decoder. {_SUPPORTED}")
    if not model.can_generate() or model.get_output_embeddings() is None:
        raise UnsupportedModelError(f"{name} does not generate text. {_SUPPORTED}")
    if "input_ids" not in inspect.signature(model.forward).parameters:
        raise UnsupportedModelError(f"{name} does not read tokens. {_SUPPORTED}")
    if not model._can_set_attn_implementation():
        raise UnsupportedModelError(
            f"{name} does not go through transformers' AttentionInterface. {_SUPPORTED}"
        )


_captures: weakref.WeakKeyDictionary[PreTrainedModel, AttentionCapture] = (
    weakref.WeakKeyDictionary()
)
_captures_lock = threading.Lock()


def capture_of(model: PreTrainedModel) -> AttentionCapture:
    """Return the model's capture, made and checked at first use.

    Raises:
        UnsupportedModelError: If the model's attention weights cannot be had exactly.
    """
    with _captures_lock:
        if model not in _captures:
            _captures[model] = AttentionCapture(model)
        return _captures[model]


def inspect_attention(model: PreTrainedModel) -> AttentionShape:
    """Return how many layers and heads can be recorded.

    Raises:
        UnsupportedModelError: If the model's attention weights cannot be had exactly.
    """
    return capture_of(model).shape
