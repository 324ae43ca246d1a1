"""Rows of a generation that wait until they are worth a matrix product.

A generation's steps have one query each. Scored one by one, they would read all keys for a single
row each time; a few dozen together read them once. The keys of earlier steps are still there in
the cache, which holds them for the model itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from at2_rag.attention.hook import Listener, listening
from at2_rag.attention.weights import AttentionCall
from at2_rag.model_facts import input_device

#: So many wait at most.
MOST_ROWS = 32


class PendingRows:
    """The latest queries of one layer, in the order of their positions.

    Attributes:
        count: How many queries wait.
    """

    def __init__(self) -> None:
        self.count = 0
        self._calls: list[AttentionCall] = []

    def goes_with(self, call: AttentionCall) -> bool:
        """Return whether a call's mask can be put together with those of the calls that wait."""
        return not self._calls or self._calls[-1].mask.goes_with(call.mask)

    def add(self, call: AttentionCall) -> None:
        """Have a call's queries wait; of earlier calls, only queries and masks are held."""
        if self._calls:
            # Not a view of the keys, which would hold on to all of them.
            self._calls[-1] = replace(self._calls[-1], key=call.key.new_empty(0))
        self._calls.append(call)
        self.count += call.query.shape[2]

    def take(self) -> AttentionCall:
        """Return all that wait as one call, and wait for others."""
        last = self._calls[-1]
        query = torch.cat([call.query for call in self._calls], dim=2)
        end = last.first_query + last.query.shape[2]
        merged = replace(
            last,
            query=query,
            mask=last.mask.stacked([call.mask for call in self._calls], last.key.shape[2]),
            first_query=end - query.shape[2],
        )
        self._calls, self.count = [], 0
        return merged


class _Keys(Listener):
    """Holds the keys of each module's call."""

    def __init__(self) -> None:
        self.seen: dict[int, int] = {}
        self.of: dict[int, Tensor] = {}

    def hear(self, module: torch.nn.Module, call: AttentionCall, arguments: dict[str, Any]) -> None:
        self.of[id(module)] = call.key


@torch.no_grad()
def layers_in_cache(model: PreTrainedModel, layers: dict[int, int]) -> frozenset[int]:
    """Return the layers that compute with the very keys that the cache holds.

    Holding on to these costs no memory. Latent attention, for one, makes its keys anew from what
    is cached.

    Args:
        model: The model whose layers are asked about.
        layers: Index of each attention layer by the identity of its module.
    """
    listener = _Keys()
    tokens = torch.ones(1, 2, dtype=torch.long, device=input_device(model))
    with listening(listener):
        cache = model(input_ids=tokens, use_cache=True).get("past_key_values")
    held = (getattr(layer, "keys", None) for layer in getattr(cache, "layers", ()))
    places = {keys.data_ptr() for keys in held if isinstance(keys, Tensor) and keys.numel()}
    return frozenset(
        layers[module] for module, key in listener.of.items() if key.data_ptr() in places
    )
