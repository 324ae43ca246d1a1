"""Recording a model's attention weights while it answers or reads."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

from torch import nn
from transformers import PreTrainedModel

from at2_rag.attention.hook import Listener, follow_passes, install, listening
from at2_rag.attention.pending_rows import MOST_ROWS, PendingRows, layers_in_cache
from at2_rag.attention.pieces import PieceChunk, Pieces, piece_attention, suits
from at2_rag.attention.probe import AttentionShape, probe_model
from at2_rag.attention.weights import (
    DEFAULT_BYTE_LIMIT,
    AttentionCall,
    Scratch,
    WeightChunk,
    attention_weights,
)


class Fold(Protocol):
    """Consumes attention weights as they come and keeps something small."""

    def heads(self, layer: int) -> Sequence[int] | None:
        """Return the heads of a layer whose weights are wanted; ``None`` for all."""

    def add(self, layer: int, chunk: WeightChunk) -> None:
        """Take in the weights of some heads and rows of one layer."""


@runtime_checkable
class PieceFold(Fold, Protocol):
    """A fold that may do without single keys.

    Attributes:
        pieces: Pieces of each text that attention is wanted to as wholes; ``None`` for every key by
            itself. Where it cannot be had so, it comes by :meth:`add` all the same.
    """

    pieces: Sequence[Pieces] | None

    def add_pieces(self, layer: int, text: int, texts: int, chunk: PieceChunk) -> None:
        """Take in what all heads of one layer pay to the pieces of one text of a batch."""


class RecordingLost(Exception):
    """The pass could not be followed, as with a preallocated cache; read it in one pass instead."""


class AttentionCapture:
    """Records one model's attention; made once per model by :func:`capture_of`.

    Attributes:
        shape: How many layers have attention, and how many heads each.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.shape, self._layers = probe_model(model)
        self._in_cache = layers_in_cache(model, self._layers)
        follow_passes(model)

    @contextmanager
    def recording(
        self,
        model: PreTrainedModel,
        fold: Fold,
        first_row: int,
        byte_limit: int = DEFAULT_BYTE_LIMIT,
        *,
        known: int = 0,
        stepwise: bool = False,
    ) -> Iterator[Recording]:
        """Fold the attention weights of all queries from position ``first_row`` on.

        Covers what the current thread or task computes within the block: one forward pass, or a
        generation step by step, without the passes over other texts that its logits processors may
        run. At its end, all is folded.

        Args:
            model: The model that this capture was made for.
            fold: What takes in the weights as they come.
            first_row: Absolute position of the first query that is wanted.
            byte_limit: Working memory, as for :func:`at2_rag.attention.weights.attention_weights`.
            known: How many tokens of the text the model remembers already, and does not run.
            stepwise: Whether the passes are those of a generation with a cache, whose steps may
                wait for one another.

        Raises:
            RecordingLost: From within the model's pass, if its cache cannot be followed.
        """
        install(model)  # in case somebody chose another attention function since
        waiting = self._in_cache if stepwise else frozenset[int]()
        recording = Recording(
            self._layers, fold, first_row, byte_limit, waiting, known=known, stepwise=stepwise
        )
        with listening(recording):
            yield recording
        recording.catch_up()


class Recording(Listener):
    """Hears a model's attention and folds it.

    Of a generation only the passes on the cache that it began with are heard. Others are over other
    texts: guidance reads one without the prompt beside each step.

    Args:
        layers: Index of each attention layer by the identity of its module.
        fold: What takes in the weights as they come.
        first_row: Absolute position of the first query that is wanted.
        byte_limit: Working memory, as for :func:`at2_rag.attention.weights.attention_weights`.
        waiting: Layers whose steps may wait for one another.
        known: How many tokens of the text are run before what is heard.
        stepwise: Whether the passes are those of a generation with a cache.
    """

    def __init__(
        self,
        layers: dict[int, int],
        fold: Fold,
        first_row: int,
        byte_limit: int,
        waiting: frozenset[int],
        *,
        known: int = 0,
        stepwise: bool = False,
    ) -> None:
        self.known = known
        self.seen: dict[int, int] = {}
        self.listens = not stepwise
        self._stepwise = stepwise
        self._cache: Any = None
        self._layers, self._fold = layers, fold
        self._first_row, self._byte_limit = first_row, byte_limit
        self._scratch = Scratch()
        self._pending = {layer: PendingRows() for layer in waiting}

    def begin_pass(self, cache: Any) -> None:
        """Listen if the pass is one of the text's own.

        Raises:
            RecordingLost: If it cannot be told whether it is, or the cache holds something else
                than what was heard.
        """
        if not self._stepwise:
            return
        if not self._heard:
            self._cache = cache
        elif self._cache is None:
            raise RecordingLost
        self.listens = cache is self._cache
        if self.listens and cache is not None and cache.get_seq_length() != self._heard:
            raise RecordingLost

    def end_pass(self) -> None:
        """Hear nothing of a generation until its next pass."""
        self.listens = not self._stepwise

    def require(self, queries: int) -> None:
        """Raise ``RecordingLost`` unless so many queries of the text were heard."""
        if self._heard < queries:
            raise RecordingLost

    @property
    def _heard(self) -> int:
        return max(self.seen.values(), default=0)

    def hear(self, module: nn.Module, call: AttentionCall, arguments: dict[str, Any]) -> None:
        """Take in one call."""
        layer = self._layers.get(id(module))
        queries, keys = call.query.shape[2], call.key.shape[2]
        # A preallocated cache hands over more keys than were seen; without any cache, every
        # step hands over the whole text again.
        repeated = call.first_query > 0 and keys == queries > 1
        if layer is None or call.first_key < 0 or repeated:
            raise RecordingLost
        start = max(0, self._first_row - call.first_query)
        if start >= queries:
            return
        call = call.from_row(start)
        pending = self._pending.get(layer)
        if pending is None:
            self._score(layer, call)
            return
        # A cache of a window lets go of keys that the rows which wait still need.
        alone = call.first_key > 0 or call.position_bias is not None
        if alone or not pending.goes_with(call):
            self._score_pending(layer, pending)
        if alone:
            self._score(layer, call)
            return
        pending.add(call)
        if pending.count >= MOST_ROWS:
            self._score_pending(layer, pending)

    def catch_up(self) -> None:
        """Fold all rows that wait; between two steps of the model."""
        for layer, pending in self._pending.items():
            self._score_pending(layer, pending)

    def _score_pending(self, layer: int, pending: PendingRows) -> None:
        if pending.count:
            self._score(layer, pending.take())

    def _score(self, layer: int, call: AttentionCall) -> None:
        heads = self._fold.heads(layer)
        if heads is not None and not heads:
            return
        if heads is None and self._by_pieces(layer, call):
            return
        rows = slice(0, call.query.shape[2])
        for chunk in attention_weights(call, rows, self._byte_limit, heads, self._scratch):
            self._fold.add(layer, chunk)

    def _by_pieces(self, layer: int, call: AttentionCall) -> bool:
        """Fold attention to whole pieces where that is wanted, and return whether it was."""
        fold = self._fold
        if not isinstance(fold, PieceFold) or fold.pieces is None:
            return False
        if not all(suits(call, pieces) for pieces in fold.pieces):
            return False
        for text, pieces in enumerate(fold.pieces):
            for chunk in piece_attention(call, text, pieces, self._byte_limit):
                fold.add_pieces(layer, text, len(fold.pieces), chunk)
        return True


_captures: weakref.WeakKeyDictionary[PreTrainedModel, AttentionCapture] = (
    weakref.WeakKeyDictionary()
)
_captures_lock = threading.Lock()


def capture_of(model: PreTrainedModel) -> AttentionCapture:
    """Return the model's capture, made and checked at first use.

    Raises:
        UnsupportedModelError: If the model's attention weights cannot be had exactly.
    """
    with _captures_lock:
        if model not in _captures:
            _captures[model] = AttentionCapture(model)
        return _captures[model]


def inspect_attention(model: PreTrainedModel) -> AttentionShape:
    """Return how many layers and heads can be recorded.

    Raises:
        UnsupportedModelError: If the model's attention weights cannot be had exactly.
    """
    return capture_of(model).shape
