"""What of a text a query cannot see: the forms in which models say it, one class each.

Shapes: ``B`` batch, ``H`` query heads, ``Q`` queries of one call, ``R`` the queries (rows) that are
looked at, ``K`` keys.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask

from at2_rag.attention.flex_masks import rows_from

#: What is added to a logit that is out of sight; not infinity, so that a row with nothing in
#: sight is no NaN.
_LEAST = torch.finfo(torch.float32).min


@dataclass(frozen=True)
class Part:
    """The heads and rows of a call that some logits are of; its keys are all there.

    Attributes:
        heads: The query heads that the logits are of.
        rows: The queries that the logits are of, counted from the call's first.
        first_query: Absolute position of the call's first query.
        first_key: Absolute position of the call's first key.
    """

    heads: slice | list[int]
    rows: slice
    first_query: int
    first_key: int


class Mask(ABC):
    """What one call of attention hides from whom."""

    @abstractmethod
    def hide(self, logits: Tensor, part: Part) -> None:
        """Put logits of what is out of sight to the least, in place.

        Args:
            logits: (B, heads, R, K), float32; changed in place.
            part: Which heads and rows of the call the logits are of.
        """

    @abstractmethod
    def additive(self, queries: int, keys: int, device: torch.device) -> Tensor:
        """Return what eager functions add to the logits: (B or 1, H or 1, Q, K), float32.

        Of texts without padding and shorter than any window, as a model is checked with.

        Args:
            queries: How many queries the call has.
            keys: How many keys the call has.
            device: The device that queries and keys are on.
        """

    def from_row(self, start: int) -> Mask:
        """Return the mask of the queries from ``start`` on, without holding on to the others'."""
        return self

    def goes_with(self, other: Mask) -> bool:
        """Return whether :meth:`stacked` takes both at a time."""
        return type(self) is type(other)

    def stacked(self, masks: Sequence[Mask], keys: int) -> Mask:
        """Return the mask of consecutive calls' queries together.

        Args:
            masks: The masks of all calls in order, this one the last; each goes with it.
            keys: How many keys the last call has. Earlier ones did not see its latest.
        """
        return self


@dataclass(frozen=True)
class PositionMask(Mask):
    """No tensor at all: positions alone say what is in sight.

    Attributes:
        causal: Whether later keys are out of sight.
        window: Keys this many positions back, or more, are out of sight.
    """

    causal: bool = True
    window: int | None = None

    def hide(self, logits: Tensor, part: Part) -> None:
        """Put logits of what is out of sight to the least, in place."""
        keys = logits.shape[-1]
        # What came before the first of these rows is in sight of all of them, without a window.
        begin = part.first_query + part.rows.start + 1 - part.first_key
        doubtful = slice(0 if self.window is not None else min(begin, keys), keys)
        if doubtful.start < keys:
            visible = self.in_sight(part, doubtful, logits.device)
            logits[..., doubtful].masked_fill_(~visible, _LEAST)

    def additive(self, queries: int, keys: int, device: torch.device) -> Tensor:
        """Return (1, 1, Q, K)."""
        visible = torch.ones(1, 1, queries, keys, dtype=torch.bool, device=device)
        return _added(visible.tril(keys - queries) if self.causal else visible)

    def stacked(self, masks: Sequence[Mask], keys: int) -> PositionMask:
        """Return the same, but causal: each call saw the keys that there were."""
        return replace(self, causal=True)

    def in_sight(self, part: Part, keys: slice, device: torch.device) -> Tensor:
        """Return (1, 1, R, keys), true where a key is neither later nor out of the window."""
        query = torch.arange(part.rows.start, part.rows.stop, device=device)[:, None]
        query = query + part.first_query
        key = torch.arange(keys.start, keys.stop, device=device)[None] + part.first_key
        visible = (key <= query) | (not self.causal)
        if self.window is not None:
            visible &= key > query - self.window
        return visible[None, None]


@dataclass(frozen=True, eq=False)
class PaddingMask(Mask):
    """Whether each key is a token or padding; for the rest, positions decide.

    Attributes:
        tokens: (B, at least K), false or zero at padding; the last K are the call's keys.
        positions: What positions say is out of sight.
    """

    tokens: Tensor
    positions: PositionMask

    def hide(self, logits: Tensor, part: Part) -> None:
        """Put logits of what is out of sight to the least, in place."""
        keys = logits.shape[-1]
        visible = self.positions.in_sight(part, slice(0, keys), logits.device)
        visible = visible & self.tokens[:, None, None, -keys:].bool()
        logits.masked_fill_(~visible, _LEAST)

    def additive(self, queries: int, keys: int, device: torch.device) -> Tensor:
        """Return (1, 1, Q, K)."""
        return self.positions.additive(queries, keys, device)

    def stacked(self, masks: Sequence[Mask], keys: int) -> PaddingMask:
        """Return the last, which has all keys, but causal: each call saw those that there were."""
        return replace(self, positions=replace(self.positions, causal=True))


@dataclass(frozen=True, eq=False)
class _TableMask(Mask):
    """A tensor that says of every query and key what is in sight.

    Attributes:
        table: (B or 1, H or 1, Q, at least K); keys that are not there yet are out of sight.
    """

    table: Tensor

    def from_row(self, start: int) -> Self:
        """Return the mask of the queries from ``start`` on, a copy where that leaves some out."""
        return self if start == 0 else replace(self, table=self.table[:, :, start:].clone())

    def goes_with(self, other: Mask) -> bool:
        """Return whether the other is a table of the same type."""
        return type(self) is type(other) and self.table.dtype == other.table.dtype

    def stacked(self, masks: Sequence[Mask], keys: int) -> Self:
        """Return one table; later keys are out of an earlier call's sight."""
        padded = []
        for mask in masks:
            assert isinstance(mask, _TableMask)  # each goes with this one
            part = mask.table[..., :keys]
            room = (0, keys - part.shape[-1])
            padded.append(torch.nn.functional.pad(part, room, value=self._hidden()))
        return replace(self, table=torch.cat(padded, dim=2))

    @abstractmethod
    def _hidden(self) -> float:
        """Return what stands in the table where a key is out of sight."""

    def _at(self, part: Part, keys: int) -> Tensor:
        heads = part.heads if self.table.shape[1] > 1 else slice(None)
        return self.table[:, heads, part.rows, :keys]


@dataclass(frozen=True, eq=False)
class BooleanMask(_TableMask):
    """Booleans, true where a key is in sight."""

    def hide(self, logits: Tensor, part: Part) -> None:
        """Put logits of what is out of sight to the least, in place."""
        logits.masked_fill_(~self._at(part, logits.shape[-1]), _LEAST)

    def additive(self, queries: int, keys: int, device: torch.device) -> Tensor:
        """Return (B or 1, H or 1, Q, K)."""
        return _added(self.table)

    def _hidden(self) -> float:
        return False


@dataclass(frozen=True, eq=False)
class AdditiveMask(_TableMask):
    """Floats that are added to the logits, the least or minus infinity where all is hidden."""

    def hide(self, logits: Tensor, part: Part) -> None:
        """Add to the logits, in place."""
        logits.add_(_finite(self._at(part, logits.shape[-1])))

    def additive(self, queries: int, keys: int, device: torch.device) -> Tensor:
        """Return (B or 1, H or 1, Q, K)."""
        return _finite(self.table[..., :keys])

    def _hidden(self) -> float:
        return torch.finfo(self.table.dtype).min


@dataclass(frozen=True, eq=False)
class FlexMask(Mask):
    """Flex attention's function of positions; :meth:`from_row` makes it a table of a few rows.

    Attributes:
        block: The mask as the model made it.
    """

    block: BlockMask

    def hide(self, logits: Tensor, part: Part) -> None:
        """Put logits of what is out of sight to the least, in place."""
        self.from_row(0).hide(logits, part)

    def additive(self, queries: int, keys: int, device: torch.device) -> Tensor:
        """Return (B or 1, H or 1, Q, K)."""
        return self.from_row(0).additive(queries, keys, device)

    def from_row(self, start: int) -> BooleanMask:
        """Return the table of the queries from ``start`` on; the others' is never made."""
        return BooleanMask(rows_from(self.block, start))


def mask_of(handed: Tensor | BlockMask | None, positions: PositionMask) -> Mask:
    """Return the mask that a model handed to its attention function.

    Args:
        handed: ``None``; booleans or additive floats of shape (B or 1, H or 1, Q, at least K);
            (B, at least K), false or zero at padding; or flex attention's mask.
        positions: What is in sight by positions alone, where ``handed`` does not say it.
    """
    if handed is None:
        return positions
    if isinstance(handed, BlockMask):
        return FlexMask(handed)
    if handed.dim() != 4:
        return PaddingMask(handed, positions)
    return BooleanMask(handed) if handed.dtype == torch.bool else AdditiveMask(handed)


def _added(visible: Tensor) -> Tensor:
    return torch.zeros(visible.shape, device=visible.device).masked_fill(~visible, _LEAST)


def _finite(added: Tensor) -> Tensor:
    return added.float().clamp(min=_LEAST)
