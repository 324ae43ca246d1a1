"""Folding attention weights into small tables while they pass by."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from at2_rag.attention.pieces import PieceChunk, Pieces
from at2_rag.attention.weights import WeightChunk
from at2_rag.spans import Span

#: Numbers that are summed up at a time; their running sums take four times the bytes.
_BLOCK = 2**20


def sum_ranges(values: Tensor, ranges: Sequence[Span]) -> Tensor:
    """Return (…, ranges): sums of ``values`` (…, keys) over ranges of keys, which may overlap."""
    starts = torch.tensor([start for start, _ in ranges], dtype=torch.long, device=values.device)
    ends = torch.tensor([end for _, end in ranges], dtype=torch.long, device=values.device)
    keys = values.shape[-1]
    rows = values.reshape(-1, keys)
    sums = values.new_empty(len(rows), len(ranges), dtype=torch.float32)
    step = max(1, _BLOCK // max(keys, 1))
    for first in range(0, len(rows), step):
        # Double precision makes differences of running sums exact to far below float32's steps.
        running = torch.nn.functional.pad(rows[first : first + step].double().cumsum(-1), (1, 0))
        sums[first : first + step] = running[:, ends] - running[:, starts]
    return sums.view(*values.shape[:-1], len(ranges))


class LinearFold:
    """Sums coefficient-weighted attention over layers and heads (section 3.2).

    Holds one number per weighting, query and key, never one per head or layer. Heads whose
    coefficients are all 0 are not asked for.

    Args:
        coefficients: (weightings, layers, heads): what the attention of each head counts for.
        first_row: Absolute position of the first recorded query.
        rows: How many queries to make room for at first; the table grows beyond.
        keys: How many keys to make room for at first; the table grows beyond.
        pieces: Pieces of each text's beginning that attention is wanted to as wholes: it stands at
            each one's first key. ``None`` for every key by itself.
    """

    def __init__(
        self,
        coefficients: Tensor,
        first_row: int,
        rows: int,
        keys: int,
        pieces: Sequence[Pieces] | None = None,
    ) -> None:
        self.pieces = pieces
        self._coefficients = {coefficients.device: coefficients}
        self._original = coefficients
        self._first_row = first_row
        self._room = rows, keys
        self._table: Tensor | None = None
        counts = coefficients.ne(0).any(dim=0)
        self._heads = [None if all(row) else row.nonzero()[:, 0].tolist() for row in counts]

    def heads(self, layer: int) -> Sequence[int] | None:
        """Return the heads of a layer that have coefficients; ``None`` for all."""
        return self._heads[layer]

    def add(self, layer: int, chunk: WeightChunk) -> None:
        """Take in the weights of some heads and rows of one layer."""
        weights = chunk.weights
        batch, _, count, length = weights.shape
        coefficients = self._coefficients_on(weights.device)[:, layer, chunk.heads]
        part = (coefficients @ weights.flatten(2)).view(batch, -1, count, length).transpose(0, 1)
        row = chunk.first_row - self._first_row
        rows, keys = row + count, chunk.first_key + length
        table = self._grown(part, batch, rows, keys)
        table[..., row:rows, chunk.first_key : keys] += part.to(table.device)

    def add_pieces(self, layer: int, text: int, texts: int, chunk: PieceChunk) -> None:
        """Take in what all heads of one layer pay to the pieces of one text.

        Args:
            layer: Index of the layer.
            text: Which text of the batch is meant, counted from 0.
            texts: How many texts the batch has.
            chunk: The attention of some rows.
        """
        weights = chunk.weights
        coefficients = self._coefficients_on(weights.device)[:, layer]
        part = (coefficients @ weights.flatten(1)).view(-1, *weights.shape[1:])
        row = chunk.first_row - self._first_row
        rows = row + weights.shape[1]
        table = self._grown(part, texts, rows, chunk.keys)
        table[:, text, row:rows].index_add_(-1, chunk.columns, part)

    def table(self, text: int, rows: int, keys: slice, first: int = 0) -> Tensor:
        """Return (weightings, rows, keys): weighted attention of each query, on the CPU.

        Args:
            text: Which text of the batch is meant, counted from 0.
            rows: How many of the text's queries are wanted.
            keys: Absolute positions of the keys that are wanted.
            first: How many recorded queries come before the first one that is wanted.
        """
        if self._table is None:
            return torch.zeros(len(self._original), rows, keys.stop - keys.start)
        return self._table[:, text, first : first + rows, keys].cpu()

    def _coefficients_on(self, device: torch.device) -> Tensor:
        if device not in self._coefficients:
            self._coefficients[device] = self._original.to(device)
        return self._coefficients[device]

    def _grown(self, part: Tensor, texts: int, rows: int, keys: int) -> Tensor:
        if self._table is None:
            shape = max(rows, self._room[0]), max(keys, self._room[1])
            self._table = part.new_zeros(len(part), texts, *shape)
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
        folds: What takes in every chunk of weights, one after the other.
    """

    def __init__(self, *folds: LinearFold | HeadFold) -> None:
        self._folds = folds

    def heads(self, layer: int) -> None:
        """Return ``None``: all heads are wanted."""

    def add(self, layer: int, chunk: WeightChunk) -> None:
        """Take in the weights of some heads and rows of one layer."""
        for fold in self._folds:
            fold.add(layer, chunk)


class HeadFold:
    """Keeps attention apart by layer and head, but summed over sources and averaged over targets.

    These are the features that coefficients are learned from (section 3.2): ``Attn(X, Y, s)``.

    Args:
        layers: How many attention layers the model has.
        heads: How many heads each layer has.
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

    def heads(self, layer: int) -> None:
        """Return ``None``: all heads are wanted."""

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
        self.features[layer, chunk.heads] += sum_ranges(averaged, shifted).cpu()

    def _target_means(self, first: int, rows: int) -> Tensor:
        """Return (targets, rows): what each of these rows contributes to each target's mean."""
        means = torch.zeros(len(self._targets), rows)
        for target, (start, end) in zip(means, self._targets, strict=True):
            target[max(start - first, 0) : max(end - first, 0)] = 1.0 / (end - start)
        return means
