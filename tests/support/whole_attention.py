"""Every weight of attention, as recorded and as eager attention reports it."""

import torch
from support.architectures import WINDOW, build

from at2_rag import inspect_attention

TOLERANCE = 1e-5
PROMPT, NEW, PADDING = 2 * WINDOW + 5, WINDOW + 3, 3


class FullFold:
    """Keeps every weight: (layers, B, heads, rows, keys)."""

    def __init__(self, model, first_row, rows, keys, batch=2):
        shape = inspect_attention(model)
        self.first_row = first_row
        self.weights = torch.zeros(shape.layers, batch, shape.heads, rows, keys)
        self.times = torch.zeros(shape.layers, shape.heads, rows)

    def heads(self, layer):
        return None

    def add(self, layer, chunk):
        row = chunk.first_row - self.first_row
        rows = slice(row, row + chunk.weights.shape[2])
        keys = slice(chunk.first_key, chunk.first_key + chunk.weights.shape[3])
        self.weights[layer, :, chunk.heads, rows, keys] = chunk.weights
        self.times[layer, chunk.heads, rows] += 1


def padded_batch():
    """Two texts, the second padded on the left."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(3, 128, (2, PROMPT), generator=generator)
    mask = torch.ones_like(tokens)
    tokens[1, :PADDING], mask[1, :PADDING] = 0, 0
    return tokens, mask


def positions(mask):
    return (mask.cumsum(-1) - 1).clamp(min=0)


def eager_weights(name, tokens, mask):
    """Return what the model itself reports, (layers, B, heads, Q, K)."""
    model = build(name)
    model.set_attn_implementation("eager")
    with torch.no_grad():
        output = model(
            tokens,
            attention_mask=mask,
            position_ids=positions(mask),
            output_attentions=True,
            use_cache=False,
        )
    return torch.stack([a.float() for a in output.attentions if a is not None])
