"""A generation that is recorded: its steps while it goes on, and what they leave behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, LogitsProcessor, StoppingCriteria

from at2_rag.attention.folds import LinearFold
from at2_rag.attention.recording import Recording
from at2_rag.errors import NumericalError
from at2_rag.estimators import TokenAttention


@dataclass(frozen=True)
class Generation:
    """An answer as token ids.

    Attributes:
        ids: Token ids of the answer, without the end token.
        attention: Attention of the answer's tokens, folded with the estimator's weightings.
        truncated: Whether the answer stopped at the longest length.
        cache: What the model remembers of the prompt and, but for its last token, of the answer;
            ``None`` where nobody kept it.
    """

    ids: tuple[int, ...]
    attention: TokenAttention
    truncated: bool
    cache: DynamicCache | None = None


@dataclass(frozen=True)
class Progress:
    """A generation that is going on; to be used before its next step only.

    Attributes:
        ids: Token ids of the answer so far, without the end token.
    """

    ids: tuple[int, ...]
    _prompt: tuple[int, ...]
    _fold: LinearFold
    _recording: Recording

    def first(self, tokens: int) -> Generation:
        """Return the first ``tokens`` of them, as they will be in the finished generation.

        Raises:
            NumericalError: If their attention is NaN.
        """
        self._recording.catch_up()
        return recorded_generation(self._fold, self._prompt, self.ids[:tokens], truncated=False)


#: Called after each step of a generation; what it raises ends the generation. ``None`` where the
#: steps cannot be followed.
Watch = Callable[[Progress | None], None]


class Steps(StoppingCriteria):  # type: ignore[misc]  # transformers' classes are untyped here
    """Stops nothing by itself, and tells a watch of each step.

    Args:
        watch: Called after each step; what it raises ends the generation.
        prompt: Token ids of the prompt.
        ends: Token ids that end an answer.
    """

    def __init__(self, watch: Watch, prompt: Sequence[int], ends: set[int]) -> None:
        self._watch, self._prompt, self._ends = watch, tuple(prompt), ends
        self._followed: tuple[LinearFold, Recording] | None = None

    def following(self, fold: LinearFold, recording: Recording | None) -> Steps:
        """Return the same for a generation that is recorded, or with ``None`` is not."""
        self._followed = None if recording is None else (fold, recording)
        return self

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """Tell of a step, and return that no text is to end for it."""
        if self._followed is None:
            self._watch(None)
        else:
            # The newest token waits for the next step: a cache that cannot be followed shows then,
            # and some devices generate one token more than they return.
            self._followed[1].require(input_ids.shape[1] - 1)
            new = input_ids[0, len(self._prompt) : -1].tolist()
            self._watch(Progress(until_end(new, self._ends), self._prompt, *self._followed))
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


#: Says of the token ids of an answer so far whether it is to end with them.
EndsWith = Callable[[Sequence[int]], bool]


class Until(StoppingCriteria):  # type: ignore[misc]
    """Ends each text as soon as its answer is to end.

    Args:
        ends: Says of the token ids of an answer so far whether it is to end with them.
        first: Where the answers begin, in tokens.
    """

    def __init__(self, ends: EndsWith, first: int) -> None:
        self._ends, self._first = ends, first

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """Return which texts are to end."""
        ended = [self._ends(ids) for ids in input_ids[:, self._first :].tolist()]
        return torch.tensor(ended, dtype=torch.bool, device=input_ids.device)


class NanWatch(LogitsProcessor):  # type: ignore[misc]  # transformers' classes are untyped here
    """Remembers whether any logit was NaN, without waiting for the device."""

    def __init__(self) -> None:
        self._found: Tensor | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Look at a step's logits, and return them as they are."""
        bad = torch.isnan(scores).any()
        self._found = bad if self._found is None else self._found | bad
        return scores

    @property
    def found(self) -> bool:
        """Whether one was."""
        return self._found is not None and bool(self._found)


def until_end(ids: list[int], ends: set[int]) -> tuple[int, ...]:
    """Return the ids up to the first that ends an answer."""
    stop = next((i for i, token in enumerate(ids) if token in ends), len(ids))
    return tuple(ids[:stop])


def recorded_generation(
    fold: LinearFold,
    prompt: Sequence[int],
    ids: tuple[int, ...],
    truncated: bool,
    place: tuple[int, int] | None = None,
) -> Generation:
    """Return a generation with its attention.

    Args:
        fold: What took in the attention of all texts of the batch.
        prompt: Token ids of the prompt, without padding.
        ids: Token ids of the answer, without the end token.
        truncated: Whether the answer stopped at the longest length.
        place: Which text of the batch the answer belongs to, and how many tokens the longest prompt
            has; ``None`` for a text alone.
    """
    index, longest = place or (0, len(prompt))
    attention = recorded_attention(fold, (*prompt, *ids[:-1]), ids, index, longest - len(prompt))
    return Generation(ids, attention, truncated)


def recorded_attention(
    fold: LinearFold,
    keys: Sequence[int],
    answer: Sequence[int],
    index: int = 0,
    padding: int = 0,
    first: int = 0,
) -> TokenAttention:
    """Return one text's attention.

    Args:
        fold: What took in the attention of all texts of the batch.
        keys: Token ids of the text, without padding and without the answer's last.
        answer: Token ids of the answer.
        index: Which text of the batch it is, counted from 0.
        padding: How many tokens of padding come before the text.
        first: How many recorded queries come before the one that predicts the answer's first token.
    """
    tables = fold.table(index, len(answer), slice(padding, padding + len(keys)), first)
    if not bool(torch.isfinite(tables).all()):
        raise NumericalError(not_finite("attention"))
    return TokenAttention(tables, tuple(keys), tuple(answer))


def not_finite(what: str) -> str:
    """Return what to say of numbers of a model that are NaN or infinite."""
    return (
        f"The model's {what} became NaN or infinite; expected finite numbers. Load it in a wider "
        'type (dtype="float32" or "bfloat16"), or check its weights.'
    )
