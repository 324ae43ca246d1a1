"""Attention to whole pieces of a prompt, by torch's fused attention.

Where nobody asks for single tokens, the fused kernel adds attention up by itself: its values say
which piece a key lies in, a column for each, so that its output is what each piece gets. Nothing of
the size of answer and context is written but once, and products run at the rate of the model's
type.

A kernel takes as many columns as a head is wide. Pieces lie one behind the other, so the keys are
cut into blocks of so many pieces, and the blocks put together by the logarithms of their sums that
the kernel returns: the work does not grow with the number of pieces. Tokens behind the prompt,
which only some rows see, are few, and keep a column each.

Shapes: ``H`` query heads, ``G`` key-value heads, ``R`` rows, ``D`` head width, ``C`` columns.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor

from at2_rag.attention.masks import Part, PositionMask
from at2_rag.attention.weights import DEFAULT_BYTE_LIMIT, AttentionCall
from at2_rag.model_facts import has_bfloat16_tiles
from at2_rag.spans import Span

#: Pieces of fewer keys on average are not worth it: every block costs a call.
_LEAST_KEYS = 8

Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Pieces:
    """The beginning of a text, cut into pieces whose attention is wanted as wholes.

    Attributes:
        edges: Where pieces begin, ascending from 0, and at last where the last one ends.
    """

    edges: tuple[int, ...]
    _made: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, ranges: Iterable[Span], tokens: int) -> Pieces:
        """Return the fewest pieces that some ranges are made of.

        Args:
            ranges: Ranges of tokens, which may overlap and leave tokens out.
            tokens: How many tokens the beginning has; ranges may go beyond.
        """
        inside = {min(max(edge, 0), tokens) for span in ranges for edge in span}
        return cls(tuple(sorted(inside | {0, tokens})))

    @property
    def end(self) -> int:
        """How many tokens the beginning has."""
        return self.edges[-1]

    @property
    def count(self) -> int:
        """How many pieces there are."""
        return len(self.edges) - 1

    def hold(self, ranges: Iterable[Span]) -> bool:
        """Return whether all ranges are made of pieces, or of tokens behind them."""
        return all(
            edge >= self.end or self.edges[bisect_left(self.edges, edge)] == edge
            for span in ranges
            for edge in span
        )

    def blocks(self, columns: int, dtype: torch.dtype) -> list[tuple[slice, Tensor]]:
        """Return blocks of keys, each with (keys, columns): 1 where a key lies in a piece.

        Made once; all layers share them.

        Args:
            columns: How many pieces a block has at most; the last block leaves columns empty.
            dtype: The type of the keys.
        """
        firsts = range(0, self.count, columns)
        return self._once(
            (columns, dtype), lambda: [self._block(first, columns, dtype) for first in firsts]
        )

    def columns(self, keys: int) -> Tensor:
        """Return the position of each piece's first key, and of each of the keys behind them.

        Made once; all layers share it.

        Args:
            keys: How many keys there are in all.
        """
        return self._once(keys, lambda: torch.tensor([*self.edges[:-1], *range(self.end, keys)]))

    def hidden(self, call: AttentionCall, rows: slice) -> Tensor:
        """Return (1, query heads of a key head · rows, keys behind): 0, or the least number.

        It is added to logits. Made once; all layers share it.

        Args:
            call: What the attention layer was handed.
            rows: Which queries of the call are wanted.
        """
        keys, shared = call.key.shape[2] - self.end, call.query.shape[1] // call.key.shape[1]

        def make() -> Tensor:
            added = torch.zeros(1, 1, rows.stop - rows.start, keys)
            call.mask.hide(added, Part(slice(0, 1), rows, call.first_query, self.end))
            return added[0].repeat(1, shared, 1)

        return self._once((rows.start, rows.stop, call.first_query, keys, shared), make)

    def _once(self, name: Hashable, make: Callable[[], Made]) -> Made:
        if name not in self._made:
            self._made[name] = make()
        made: Made = self._made[name]
        return made

    def _block(self, first: int, columns: int, dtype: torch.dtype) -> tuple[slice, Tensor]:
        edges = self.edges[first : first + columns + 1]
        sizes = torch.tensor([end - start for start, end in pairwise(edges)])
        column = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
        members = torch.zeros(len(column), columns, dtype=dtype)
        members[torch.arange(len(column)), column] = 1
        return slice(edges[0], edges[-1]), members


@dataclass(frozen=True)
class PieceChunk:
    """Attention of some rows to the pieces, and to each token behind them.

    Attributes:
        weights: (H, R, C), float32.
        first_row: Absolute position of the first query.
        keys: How many keys there are in all.
        columns: (C,): absolute position of each piece's first key, and of each key behind.
    """

    weights: Tensor
    first_row: int
    keys: int
    columns: Tensor


def suits(call: AttentionCall, pieces: Pieces) -> bool:
    """Return whether the attention of a call to pieces is had exactly this way, and faster.

    Exactly: every row sees all of the beginning, and logits are plain products.

    Args:
        call: What the attention layer was handed.
        pieces: The pieces that are wanted.
    """
    mask, keys = call.mask, call.key.shape[2]
    return (
        type(mask) is PositionMask
        and mask.causal
        and (mask.window is None or mask.window >= keys)
        and call.softcap is None
        and call.position_bias is None
        and call.first_key == 0
        and pieces.end <= keys
        and pieces.end >= _LEAST_KEYS * pieces.count
        and call.key.device.type == "cpu"
        and is_faster(call.key.dtype)
    )


@cache
def is_faster(dtype: torch.dtype) -> bool:
    """Return whether the fused kernel is there for a type, and was measured to be faster."""
    if dtype == torch.bfloat16 and not has_bfloat16_tiles():
        return False
    return dtype in (torch.bfloat16, torch.float32) and _agrees(dtype)


def _agrees(dtype: torch.dtype) -> bool:
    """Return whether the kernel of this version of torch says what it is taken to say."""
    numbers = torch.linspace(-1, 1, 40 * 16).sin().view(1, 1, 40, 16).to(dtype)
    pieces = Pieces.of([(10, 25)], 40)
    try:
        [(_, members)] = pieces.blocks(16, dtype)
        found, total = fused(numbers[:, :, 3:8], numbers, members, 2.0)
    except (AttributeError, RuntimeError):
        return False
    logits = 2.0 * numbers[0, 0, 3:8].double() @ numbers[0, 0].double().T
    expected = torch.softmax(logits, dim=-1) @ members.double()
    wrong = (found[0, 0] - expected).abs().max() + (
        total[0, 0].exp() / logits.exp().sum(-1) - 1
    ).abs().max()
    return float(wrong) <= 16 * torch.finfo(dtype).eps


def fused(query: Tensor, key: Tensor, value: Tensor, scaling: float) -> tuple[Tensor, Tensor]:
    """Return the kernel's output, (G, 1, rows, D), and (G, 1, rows): logarithms of its sums."""
    kernel: Any = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    value = value.expand(len(key), 1, -1, -1)
    output: tuple[Tensor, Tensor] = kernel(query, key, value, scale=scaling)
    return output


def piece_attention(
    call: AttentionCall, text: int, pieces: Pieces, byte_limit: int = DEFAULT_BYTE_LIMIT
) -> Iterator[PieceChunk]:
    """Yield the attention of one text's rows, from the last of the pieces' tokens on.

    Sums are rounded as the kernel rounds: its output is in the call's type, what is made of it in
    float32. Attention to tokens behind the pieces is computed in float32.

    Args:
        call: What the attention layer was handed; it suits.
        text: Which text of the batch is meant, counted from 0.
        pieces: The text's pieces.
        byte_limit: Bound on what a chunk takes, in bytes; one row is always done.
    """
    keys = call.key.shape[2]
    columns = pieces.columns(keys)
    # The parts, the same with their shares, and all of them together are there at once.
    step = max(1, byte_limit // (4 * 4 * call.query.shape[1] * len(columns)))
    first, last = max(0, pieces.end - 1 - call.first_query), call.query.shape[2]
    for start in range(first, last, step):
        rows = slice(start, min(start + step, last))
        weights = _weights(call, text, pieces, rows)
        yield PieceChunk(weights, call.first_query + start, keys, columns)


def _weights(call: AttentionCall, text: int, pieces: Pieces, rows: slice) -> Tensor:
    """Return (H, R, C)."""
    key = call.key[text][:, None]
    groups, _, _, width = key.shape
    query = call.query[text, :, rows]
    heads, count, _ = query.shape
    # The query heads that share a key head are rows of one product; keys are never repeated.
    query = query.reshape(groups, 1, -1, width)
    parts, totals = [], []
    for place, members in pieces.blocks(width, key.dtype):
        part, total = fused(query, key[:, :, place], members, call.scaling)
        parts.append(part)
        totals.append(total)
    # What a block leaves empty is cut off.
    parts[-1] = parts[-1][..., : pieces.count - width * (len(parts) - 1)]
    if pieces.end < key.shape[2]:
        hidden = pieces.hidden(call, rows)
        part, total = _behind(query[:, 0], key[:, 0, pieces.end :], hidden, call.scaling)
        parts.append(part[:, None])
        totals.append(total[:, None])
    if call.sinks is not None:
        sinks = call.sinks.float().view(groups, 1, -1, 1)
        totals.append(sinks.expand(-1, -1, -1, count).reshape(groups, 1, -1))
    shares = torch.softmax(torch.stack(totals), dim=0)[..., None]
    shared = [part * share for part, share in zip(parts, shares, strict=False)]
    return torch.cat(shared, dim=-1).view(heads, count, -1)


def _behind(query: Tensor, key: Tensor, hidden: Tensor, scaling: float) -> tuple[Tensor, Tensor]:
    """Return what a kernel would of the tokens behind the pieces, each by itself, in float32.

    That is (G, rows, keys): the weight of each among them, and (G, rows): logarithms of their sums.
    """
    logits = torch.baddbmm(hidden, query.float(), key.float().transpose(1, 2), alpha=scaling)
    weights = torch.softmax(logits, dim=-1)
    # The largest weight is 1 over the sum of all, counted from the largest logit. An exponential
    # of what is hidden would say the same, and is slow where it comes out as 0.
    return weights, logits.amax(dim=-1) - weights.amax(dim=-1).log()
