"""Tables of scores in a page: whole numbers of two bytes, compressed."""

from __future__ import annotations

import zlib
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

#: The largest number that two bytes hold with a sign.
_LARGEST = 32767


@dataclass(frozen=True)
class PackedTable:
    """A table as it travels in a page.

    Attributes:
        shape: How many entries the table has along each dimension.
        scale: What each whole number counts for: the largest score is 32767 of them.
        data: The whole numbers, row by row, lowest byte first, compressed by zlib, in base64.
    """

    shape: tuple[int, ...]
    scale: float
    data: str

    @classmethod
    def of(cls, table: Tensor) -> PackedTable:
        """Return scores of any shape, each within 1/65534 of the largest magnitude."""
        table = torch.nan_to_num(table.detach().float().cpu())
        largest = float(table.abs().max()) if table.numel() else 0.0
        scale = largest / _LARGEST
        whole = (table / scale).round() if scale > 0 else torch.zeros_like(table)
        numbers = whole.to(torch.int16).contiguous().numpy().astype("<i2").tobytes()
        return cls(tuple(table.shape), scale, b64encode(zlib.compress(numbers, 9)).decode())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"shape": list(self.shape), "scale": self.scale, "data": self.data}
