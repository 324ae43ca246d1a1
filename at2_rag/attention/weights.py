"""The attention weights of chosen queries, computed in bounded memory from what a model computed.

Shapes: ``B`` batch, ``H`` query heads, ``G`` key-value heads (``H`` is a multiple of ``G``),
``Q`` queries of one call, ``R`` the queries (rows) that are wanted, ``K`` keys, ``D`` head width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import prod

import torch
from torch import Tensor

from at2_rag.attention.masks import Mask, Part

#: Working memory for one chunk of attention weights, in bytes.
DEFAULT_BYTE_LIMIT = 32 * 2**20

#: The same on a processor, so that a chunk stays in its caches from one operation to the next.
_CACHE_BYTES = 4 * 2**20


@dataclass(frozen=True)
class AttentionCall:
    """What one attention layer was handed in one forward pass, position encoding applied.

    Attributes:
        query: (B, H, Q, D): the queries that the layer computed.
        key: (B, G, K, D): the keys, those from the cache included where there is one.
        mask: Which keys are out of which query's sight.
        scaling: Factor on the products of queries and keys.
        first_query: Absolute position of the first query.
        softcap: Logits are squashed to this magnitude by a hyperbolic tangent.
        sinks: (H,) logits that take part in the softmax and receive no token's weight.
        position_bias: (1 or B, H, Q, K), added to the logits.
    """

    query: Tensor
    key: Tensor
    mask: Mask
    scaling: float
    first_query: int = 0
    softcap: float | None = None
    sinks: Tensor | None = None
    position_bias: Tensor | None = None

    @property
    def first_key(self) -> int:
        """Absolute position of the first key; above zero where a cache holds only a window."""
        return self.first_query + self.query.shape[2] - self.key.shape[2]

    def from_row(self, start: int) -> AttentionCall:
        """Return the same without the first ``start`` queries, which are not held on to."""
        mask, bias = self.mask.from_row(start), self.position_bias
        if start == 0 and mask is self.mask:
            return self
        return replace(
            self,
            query=_rest(self.query, start),
            mask=mask,
            first_query=self.first_query + start,
            position_bias=None if bias is None else _rest(bias, start),
        )


def _rest(rows: Tensor, start: int) -> Tensor:
    """Return a copy of (B, H, Q, any) from row ``start`` on; the very same where that is all."""
    return rows if start == 0 else rows[:, :, start:].clone()


class Scratch:
    """Memory that chunks of weights take turns in.

    Asked for anew for every chunk, it can come back as untouched pages, which cost about as much
    as what is computed in them.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[str, torch.device], Tensor] = {}

    def take(self, name: str, shape: Sequence[int], device: torch.device) -> Tensor:
        """Return uninitialised float32 memory; what was taken before by this name is overwritten.

        Args:
            name: What the memory is for; each use has its own.
            shape: The shape that the tensor shall have.
            device: The device that the tensor shall be on.
        """
        size = prod(shape)
        held = self._held.get((name, device))
        if held is None or held.numel() < size:
            held = self._held[name, device] = torch.empty(size, device=device)
        return held[:size].view(*shape)


@dataclass(frozen=True)
class WeightChunk:
    """Attention weights of some heads and rows.

    Attributes:
        weights: (B, heads, rows, K), float32; overwritten by the next chunk where there is a
            :class:`Scratch`.
        heads: The heads that the weights are of.
        first_row: Absolute position of the first query.
        first_key: Absolute position of the first key.
    """

    weights: Tensor
    heads: slice | list[int]
    first_row: int
    first_key: int


def attention_weights(
    call: AttentionCall,
    rows: slice,
    byte_limit: int = DEFAULT_BYTE_LIMIT,
    heads: Sequence[int] | None = None,
    scratch: Scratch | None = None,
) -> Iterator[WeightChunk]:
    """Yield the attention weights of some rows, a few heads and rows at a time.

    Computed in float32 whatever the model's type.

    Args:
        call: What the attention layer was handed.
        rows: Which queries of this call are wanted.
        byte_limit: Bound on the size of a chunk's keys and of its weights, each, in bytes; one
            key-value head and one row are always done.
        heads: Which heads are wanted; ``None`` for all.
        scratch: Memory that all chunks use; ``None`` for memory of each chunk's own.
    """
    batch, _, _, width = call.query.shape
    _, groups, keys, _ = call.key.shape
    per_group = call.query.shape[1] // groups
    if call.query.device.type == "cpu":
        byte_limit = min(byte_limit, _CACHE_BYTES)
    row_bytes = 4 * batch * keys * per_group
    # Many rows of few heads rather than the other way round: keys are read once for all rows.
    group_step = max(1, byte_limit // max(row_bytes * (rows.stop - rows.start), 1))
    group_step = min(group_step, max(1, byte_limit // (4 * batch * keys * width)), groups)
    row_step = max(1, byte_limit // (row_bytes * group_step))
    for group, chosen in _groups(groups, per_group, group_step, heads):
        key = call.key[:, group].float().transpose(-1, -2)
        for start in range(rows.start, rows.stop, row_step):
            part = slice(start, min(start + row_step, rows.stop))
            weights = _chunk(call, key, chosen, part, scratch or Scratch())
            yield WeightChunk(weights, chosen, call.first_query + start, call.first_key)


def _groups(
    groups: int, per_group: int, step: int, wanted: Sequence[int] | None
) -> Iterator[tuple[slice, slice | list[int]]]:
    """Yield key-value heads together with the query heads that are wanted of them."""
    if wanted is None:
        for group in range(0, groups, step):
            upper = min(group + step, groups)
            yield slice(group, upper), slice(group * per_group, upper * per_group)
        return
    # One by one, since each may have another number of them.
    for group, members in groupby(sorted(wanted), key=lambda head: head // per_group):
        yield slice(group, group + 1), list(members)


def _chunk(
    call: AttentionCall, key: Tensor, heads: slice | list[int], rows: slice, scratch: Scratch
) -> Tensor:
    """Return (B, heads, rows, K) for transposed keys (B, groups, D, K)."""
    batch, groups, width, keys = key.shape
    query = call.query[:, heads, rows].float() * call.scaling
    count, length = query.shape[1], query.shape[2]
    # The query heads that share a key head are one matrix product; keys are never repeated.
    query = query.reshape(batch, groups, -1, width)
    products = scratch.take("logits", (*query.shape[:3], keys), key.device)
    logits = torch.matmul(query, key, out=products).view(batch, count, length, keys)
    if call.softcap is not None:
        logits.div_(call.softcap).tanh_().mul_(call.softcap)
    if call.position_bias is not None:
        logits.add_(call.position_bias[:, heads, rows, :keys])
    call.mask.hide(logits, Part(heads, rows, call.first_query, call.first_key))
    if call.sinks is None:
        weights = scratch.take("weights", logits.shape, key.device)
        return torch.softmax(logits, dim=-1, out=weights)
    sinks = call.sinks[heads].float().view(1, -1, 1, 1).expand(batch, -1, length, 1)
    return torch.softmax(torch.cat([logits, sinks], dim=-1), dim=-1)[..., :-1]
