"""Flex attention's masks, as tensors.

Flex attention has no mask of all queries and keys, but a function of their positions. Only the
rows that are wanted are computed: for all queries of a long prompt a mask takes a gigabyte.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_mask

#: First row and tensor of masks that are still in use; all layers of a pass share one or two.
_made: WeakKeyDictionary[BlockMask, tuple[int, Tensor]] = WeakKeyDictionary()


def rows_from(mask: BlockMask, start: int) -> Tensor:
    """Return the mask of some queries: (B or 1, H or 1, R, K), true where a key is visible.

    The tensor is shared by whoever asks for the same; do not change it.

    Args:
        mask: The mask as the model made it. It knows itself which position its first query has.
        start: The first wanted query of the call, counted from the call's first.
    """
    known = _made.get(mask)
    if known is None or known[0] != start:
        known = _made[mask] = start, _evaluate(mask, start)
    return known[1]


def _evaluate(mask: BlockMask, start: int) -> Tensor:
    batch, heads, queries, keys = mask.shape

    def visible(b: Tensor, h: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return mask.mask_mod(b, h, query + start, key)

    # torch's own evaluation: the function may index tensors with what it is given, and need not
    # take anything but single positions.
    device = mask.kv_num_blocks.device
    return create_mask(visible, batch, heads, queries - start, keys, device)
