"""Folding attention weights into small tables while they pass by."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from at2_rag.attention import WeightChunk
from at2_rag.prompt import Span


def sum_ranges(values: Tensor, ranges: Sequence[Span]) -> Tensor:
    """Return (…, ranges): sums of ``values`` (…, keys) over ranges of keys, which may overlap."""
    # Double precision makes differences of running sums exact to far below float32's own steps.
    running = torch.nn.functional.pad(values.double().cumsum(dim=-1), (1, 0))
    starts = torch.tensor([start for start, _ in ranges], dtype=torch.long, device=values.device)
    ends = torch.tensor([end for _, end in ranges], dtype=torch.long, device=values.device)
    return (running[..., ends] - running[..., starts]).float()


class LinearFold:
    """Sums coefficient-weighted attention over layers and heads (section 3.2).

    Holds one number per weighting, query and key, never one per head or layer.

    Args:
        coefficients: (weightings, layers, heads).
        first_row: Absolute position of the first recorded query.
        keys: Keys to make room for at first; the table grows beyond.
    """

    def __init__(self, coefficients: Tensor, first_row: int, keys: int) -> None:
        self._coefficients = coefficients
        self._first_row = first_row
        self._keys = keys
        self._table: Tensor | None = None
        self.layers_heard: set[int] = set()

    def add(self, layer: int, chunk: WeightChunk) -> None:
        """Take in the weights of some heads and rows of one layer."""
        self.layers_heard.add(layer)
        weights = chunk.weights
        heads = slice(chunk.first_head, chunk.first_head + weights.shape[1])
        coefficients = self._coefficients[:, layer, heads].to(weights.device)
        part = torch.einsum("bhrk,ch->cbrk", weights, coefficients)
        row = chunk.first_row - self._first_row
        rows, keys = row + part.shape[2], chunk.first_key + part.shape[3]
        table = self._grown(part, rows, keys)
        table[..., row:rows, chunk.first_key : keys] += part.to(table.device)

    def tables(self, rows: int, keys: int) -> Tensor:
        """Return (weightings, B, rows, keys): weighted attention of each query, on the CPU."""
        if self._table is None:
            return torch.zeros(len(self._coefficients), 1, rows, keys)
        return self._table[..., :rows, :keys].cpu()

    def _grown(self, part: Tensor, rows: int, keys: int) -> Tensor:
        if self._table is None:
            shape = (*part.shape[:2], max(rows, 16), max(keys, self._keys))
            self._table = part.new_zeros(shape)
        *first, old_rows, old_keys = self._table.shape
        if rows > old_rows or keys > old_keys:
            # Doubling the rows keeps copying linear in the answer's length.
            new_rows = max(rows, 2 * old_rows) if rows > old_rows else old_rows
            new_keys = max(keys, old_keys + new_rows - old_rows)
            table = self._table.new_zeros(*first, new_rows, new_keys)
            table[..., :old_rows, :old_keys] = self._table
            self._table = table
        return self._table


class SeveralFolds:
    """Feeds several folds from one pass.

    Args:
        folds: The folds.
    """

    def __init__(self, *folds: LinearFold | HeadFold) -> None:
        self._folds = folds

    def add(self, layer: int, chunk: WeightChunk) -> None:
        """Take in the weights of some heads and rows of one layer."""
        for fold in self._folds:
            fold.add(layer, chunk)


class HeadFold:
    """Keeps attention apart by layer and head, but summed over sources and averaged over targets.

    These are the features that coefficients are learned from (section 3.2): ``Attn(X, Y, s)``.

    Args:
        layers: Attention layers of the model.
        heads: Heads in each.
        sources: Token range of each source.
        targets: Range of answer tokens of each target, counted from the answer's first.
        first_row: Absolute position of the query that predicts the answer's first token.
        counted: (answer tokens, keys), what attention from one to the other is multiplied by;
            ``None`` for 1 everywhere.
    """

    def __init__(
        self,
        layers: int,
        heads: int,
        sources: Sequence[Span],
        targets: Sequence[Span],
        first_row: int,
        counted: Tensor | None = None,
    ) -> None:
        self._sources, self._targets, self._first_row = sources, targets, first_row
        self._counted = counted
        #: (layers, heads, targets, sources), float32, on the CPU.
        self.features = torch.zeros(layers, heads, len(targets), len(sources))

    def add(self, layer: int, chunk: WeightChunk) -> None:
        """Take in the weights of some heads and rows of one layer, of a single text."""
        weights = chunk.weights[0]
        if self._counted is not None:
            row, key = chunk.first_row - self._first_row, chunk.first_key
            rows, keys = slice(row, row + weights.shape[1]), slice(key, key + weights.shape[2])
            weights = weights * self._counted[rows, keys].to(weights.device)
        mean = self._target_means(chunk.first_row - self._first_row, weights.shape[1])
        averaged = torch.einsum("tr,hrk->htk", mean.to(weights.device), weights)
        shifted = [
            (max(start - chunk.first_key, 0), max(end - chunk.first_key, 0))
            for start, end in self._sources
        ]
        heads = slice(chunk.first_head, chunk.first_head + weights.shape[0])
        self.features[layer, heads] += sum_ranges(averaged, shifted).cpu()

    def _target_means(self, first: int, rows: int) -> Tensor:
        """Return (targets, rows): what each of these rows contributes to each target's mean."""
        means = torch.zeros(len(self._targets), rows)
        for target, (start, end) in zip(means, self._targets, strict=True):
            target[max(start - first, 0) : max(end - first, 0)] = 1.0 / (end - start)
        return means
