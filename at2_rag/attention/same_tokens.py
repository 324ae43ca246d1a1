"""Which tokens are the very one that is being generated."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def same_token(keys: Sequence[int], answer: Sequence[int]) -> Tensor:
    """Return (answer tokens, keys): 1.0 where a key's token is the one being generated.

    Args:
        keys: Token ids of the text, up to the last answer token but one.
        answer: Token ids of the answer.
    """
    return (torch.tensor(keys)[None] == torch.tensor(answer)[:, None]).float()
