"""The hook in transformers: an attention function that lets a listener hear each call.

transformers lets anyone register an attention function, which its models then call after
position encoding and cache update. Ours hands everything on to the function that the model was
loaded with, and, while a listener is set in the current thread or task, shows it what went by.
There is no code per architecture.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from at2_rag.attention.masks import Mask, PositionMask, mask_of
from at2_rag.attention.weights import AttentionCall
from at2_rag.errors import UnsupportedModelError

_PREFIX = "at2_recording_"

#: Ends every refusal.
SUPPORTED = (
    "Supported are decoder-only language models of transformers whose attention goes through "
    "its AttentionInterface, such as Llama, Qwen, Mistral, Gemma, Phi, OLMo, Granite, SmolLM, "
    "GPT-NeoX and gpt-oss, loaded with sdpa, eager, flash or flex attention."
)


class Listener:
    """Hears every attention call of a pass; to be derived from."""

    seen: dict[int, int]
    """Queries that each attention module, by identity, has been handed so far."""

    known: int = 0
    """How many tokens of the text come before the first query that is heard."""

    listens: bool = True
    """Whether what is computed now is heard."""

    def begin_pass(self, cache: object) -> None:
        """Be told that a model which is followed begins a pass.

        Args:
            cache: The cache that the pass goes on from; ``None`` without one.
        """

    def end_pass(self) -> None:
        """Be told that the pass has ended."""

    def hear(self, module: nn.Module, call: AttentionCall, arguments: dict[str, Any]) -> None:
        """Take in one call: what it was, and the other arguments (``value`` among them)."""
        raise NotImplementedError


#: Belongs to the current thread or task, so that concurrent answers never see each other.
_listener: ContextVar[Listener | None] = ContextVar("at2_listener", default=None)


def eager_function(module: nn.Module) -> Callable[..., tuple[Tensor, Tensor]] | None:
    """Return the eager attention that the module's own file defines."""
    home = sys.modules.get(type(module).__module__)
    return getattr(home, "eager_attention_forward", None)


def _recording_function(wrapped: str) -> Callable[..., tuple[Tensor, Tensor | None]]:
    def attention(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | BlockMask | None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        if (listener := _listener.get()) is not None and listener.listens:
            first_query = listener.seen.get(id(module), listener.known)
            listener.seen[id(module)] = first_query + query.shape[2]
            mask = _as_mask(module, attention_mask, _positions(wrapped, module, kwargs))
            call = _as_call(module, query, key, mask, first_query, kwargs)
            listener.hear(module, call, {"value": value, **kwargs})
        function = ALL_ATTENTION_FUNCTIONS.get(wrapped) or eager_function(module)
        assert function is not None  # checked when the model's capture was made
        result: tuple[Tensor, Tensor | None] = function(
            module, query, key, value, attention_mask, **kwargs
        )
        return result

    return attention


def _positions(wrapped: str, module: nn.Module, kwargs: dict[str, Any]) -> PositionMask:
    if "flex" in wrapped:
        return PositionMask(causal=False)  # it knows of nothing that its mask does not hide
    causal = kwargs.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else bool(causal)
    return PositionMask(causal, kwargs.get("sliding_window"))


def _as_mask(module: nn.Module, handed: Any, positions: PositionMask) -> Mask:
    if handed is not None and not isinstance(handed, Tensor | BlockMask):
        raise UnsupportedModelError(
            f"{type(module).__name__} was handed a {type(handed).__name__} as its mask; expected a "
            'tensor or a BlockMask. Load the model with attn_implementation="sdpa" or "eager".'
        )
    return mask_of(handed, positions)


def _as_call(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    mask: Mask,
    first_query: int,
    kwargs: dict[str, Any],
) -> AttentionCall:
    scaling = kwargs.get("scaling")
    sinks = kwargs.get("s_aux")
    return AttentionCall(
        query.detach(),
        key.detach(),
        mask,
        scaling=query.shape[-1] ** -0.5 if scaling is None else float(scaling),
        first_query=first_query,
        softcap=kwargs.get("softcap"),
        sinks=getattr(module, "sinks", None) if sinks is None else sinks,
        position_bias=kwargs.get("position_bias"),
    )


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let ``listener`` hear what the current thread or task computes within the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def follow_passes(model: PreTrainedModel) -> None:
    """Have whoever listens be told of each pass of a model, and of its cache."""
    if _begin_pass not in model._forward_pre_hooks.values():  # which a copy has already
        model.register_forward_pre_hook(_begin_pass, with_kwargs=True)
        model.register_forward_hook(_end_pass, always_call=True)


def _begin_pass(module: nn.Module, inputs: Any, options: dict[str, Any]) -> None:
    if (listener := _listener.get()) is not None:
        listener.begin_pass(options.get("past_key_values", options.get("cache_params")))


def _end_pass(module: nn.Module, inputs: Any, result: Any) -> None:
    if (listener := _listener.get()) is not None:
        listener.end_pass()


def install(model: PreTrainedModel) -> str:
    """Make the model's attention recordable and return the name of the function it goes on using.

    Raises:
        UnsupportedModelError: If the function it was loaded with cannot be followed.
    """
    wrapped: str = model.config._attn_implementation
    if wrapped.startswith(_PREFIX):
        # A copy from another process has the name, and the function is not known here yet.
        wrapped = wrapped.removeprefix(_PREFIX)
        _register(wrapped)
        return wrapped
    if wrapped != "eager" and wrapped not in ALL_ATTENTION_FUNCTIONS:
        raise UnsupportedModelError(
            f"{type(model).__name__} was loaded with attn_implementation={wrapped!r}, which is "
            f"not registered with transformers. {SUPPORTED}"
        )
    if "paged" in wrapped:
        raise UnsupportedModelError(
            f"{type(model).__name__} was loaded with attn_implementation={wrapped!r}, whose masks "
            "cannot be read row by row. Load it with sdpa, eager, flash or flex attention."
        )
    model.set_attn_implementation(_register(wrapped))
    return wrapped


def _register(wrapped: str) -> str:
    """Make the recording function of another known to transformers, and return its name."""
    name = _PREFIX + wrapped
    if name not in ALL_ATTENTION_FUNCTIONS:
        AttentionInterface.register(name, _recording_function(wrapped))
        AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS[wrapped])
    return name
