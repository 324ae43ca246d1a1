"""The one place that reaches into the library: its own time within a pass, and scoring alone.

The model's passes are told apart by forward hooks, and what the recorder does within them by
wrapping the listener that the library sets. What is left, outside the passes, is setting up and
reading out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from at2_rag.attention import hook as interface
from at2_rag.attention.folds import LinearFold
from at2_rag.attention.masks import PositionMask
from at2_rag.attention.recording import capture_of
from at2_rag.attention.weights import AttentionCall
from at2_rag.estimators import ScoreEstimator
from at2_rag.model_facts import few_logits
from benchmarks.clock import now, timed
from benchmarks.shapes import Heads


@dataclass
class Account:
    """Where the time of some work went, in seconds.

    Attributes:
        total: How long all of the work took.
        passes: How long the model's forward passes took.
        heard: How long the library's recorder took, within the passes.
        calls: How often the recorder was called.
    """

    total: float = 0.0
    passes: float = 0.0
    heard: float = 0.0
    calls: int = 0

    @property
    def around(self) -> float:
        """What was spent outside the passes."""
        return self.total - self.passes

    @property
    def values(self) -> dict[str, float]:
        """By name, as runs return it."""
        library = self.heard + self.around
        return {"seconds": self.total, "scoring": library, "around": self.around}


class _TimedListener:
    """Passes everything on to the library's listener, and notes how long it takes."""

    def __init__(self, listener: Any, account: Account, device: torch.device) -> None:
        self._listener, self._account, self._device = listener, account, device

    def hear(self, *args: Any, **kwargs: Any) -> Any:
        began = now(self._device)
        heard = self._listener.hear(*args, **kwargs)
        self._account.heard += now(self._device) - began
        self._account.calls += 1
        return heard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)


@contextmanager
def accounting(model: PreTrainedModel) -> Iterator[Account]:
    """Account for what happens within the block; the account is complete behind it."""
    device = model.get_input_embeddings().weight.device
    account, begun = Account(), [0.0]

    def before(*_: Any) -> None:
        begun[0] = now(device)

    def after(*_: Any) -> None:
        account.passes += now(device) - begun[0]

    library: Any = import_module("at2_rag.attention.recording")
    set_listener = library.listening
    library.listening = lambda heard: set_listener(_TimedListener(heard, account, device))
    hooks = [model.register_forward_pre_hook(before), model.register_forward_hook(after)]
    start = now(device)
    try:
        yield account
    finally:
        account.total = now(device) - start
        library.listening = set_listener
        for hook in hooks:
            hook.remove()


def account_of(model: PreTrainedModel, work: Callable[[], object]) -> dict[str, float]:
    """Do some work and return where its time went, as runs return it."""
    with accounting(model) as account:
        work()
    values, device = account.values, model.get_input_embeddings().weight.device
    if device.type == "cuda":
        # Waiting for the device at every layer slows a pass: the whole is timed without it.
        values |= timed(device, work)()
    return values


def recording_name(model: PreTrainedModel) -> str:
    """Make the model recordable and return the name of the attention function that records."""
    model.set_attn_implementation("sdpa")
    capture_of(model)
    interface.install(model)
    name: str = model.config._attn_implementation
    return name


@torch.inference_mode()
def record_batch(
    model: PreTrainedModel, estimator: ScoreEstimator, ids: Tensor, first_row: int
) -> Tensor:
    """Read several texts in one recorded pass.

    Args:
        model: The model that reads the texts.
        estimator: The estimator whose first weighting is used.
        ids: (batch, tokens): token ids of texts without padding.
        first_row: Position of the first query that is wanted.

    Returns:
        (batch, rows, tokens): weighted attention.
    """
    tokens = ids.shape[1]
    fold = LinearFold(estimator.weightings, first_row, tokens - first_row, tokens)
    with capture_of(model).recording(model, fold, first_row=first_row):
        model(input_ids=ids, use_cache=False, **few_logits(model, 1))
    tables = [fold.table(text, tokens - first_row, slice(0, tokens)) for text in range(len(ids))]
    return torch.stack(tables, dim=1)[0]


class ScoringAlone:
    """The library's scoring without a model around it: queries and keys are random.

    Args:
        heads: How many layers and heads to score, and of which width and type.
        device: The device that queries and keys are on.
    """

    def __init__(self, heads: Heads, device: torch.device) -> None:
        self._heads, self._device = heads, device
        # The library tells layers apart by their modules: a model that has nothing but heads.
        config = AutoConfig.for_model(
            "llama",
            num_hidden_layers=heads.layers,
            hidden_size=4 * heads.heads,
            head_dim=heads.width,
            num_attention_heads=heads.heads,
            num_key_value_heads=heads.kv_heads,
            intermediate_size=16,
            vocab_size=64,
        )
        model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
        self.model: PreTrainedModel = model.eval().to(device)

    def inputs(self, context: int, answer: int, batch: int = 1) -> tuple[Tensor, Tensor]:
        """Return random queries (B, heads, answer, width) and keys (B, kv_heads, all, width)."""
        heads, dtype = self._heads, getattr(torch, self._heads.dtype)
        generator = torch.Generator(self._device).manual_seed(0)

        def random(*shape: int) -> Tensor:
            numbers = torch.empty(*shape, device=self._device, dtype=dtype)
            return numbers.normal_(generator=generator)

        keys = context + answer - 1
        query = random(batch, heads.heads, answer, heads.width)
        return query, random(batch, heads.kv_heads, keys, heads.width)

    @torch.inference_mode()
    def score(self, estimator: ScoreEstimator, query: Tensor, key: Tensor) -> Tensor:
        """Score every layer, all with the same queries and keys.

        Returns:
            (weightings, batch, answer, keys): weighted attention, on the CPU.
        """
        rows, keys = query.shape[2], key.shape[2]
        fold = LinearFold(estimator.weightings, keys - rows, rows, keys)
        scaling = self._heads.width**-0.5
        call = AttentionCall(query, key, PositionMask(), scaling, first_query=keys - rows)
        with capture_of(self.model).recording(self.model, fold, first_row=keys - rows):
            listener = interface._listener.get()
            assert listener is not None  # recording has just set it
            for layer in self.model.model.layers:
                listener.hear(layer.self_attn, call, {"value": key})
        tables = [fold.table(text, rows, slice(0, keys)) for text in range(len(query))]
        return torch.stack(tables, dim=1)
