"""The two ways to run the model while its attention is folded: answering, and reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import (
    DynamicCache,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteria,
    StoppingCriteriaList,
)

from at2_rag.attention.folds import LinearFold
from at2_rag.attention.pieces import Pieces
from at2_rag.attention.probe import AttentionShape
from at2_rag.attention.recording import Recording, RecordingLost, capture_of
from at2_rag.errors import NumericalError
from at2_rag.estimators import TokenAttention
from at2_rag.model.generate_options import end_ids, generate_options, is_recordable
from at2_rag.model_facts import few_logits, input_device, logits_at
from at2_rag.spans import Span

#: Answer tokens to make room for at first.
_STEPS = 64


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
        return _recorded(self._fold, self._prompt, self.ids[:tokens], truncated=False)


#: Called after each step of a generation; what it raises ends the generation. ``None`` where the
#: steps cannot be followed.
Watch = Callable[[Progress | None], None]


class _Steps(StoppingCriteria):  # type: ignore[misc]  # transformers' classes are untyped here
    """Stops nothing by itself, and tells a watch of each step.

    Args:
        watch: Called after each step; what it raises ends the generation.
        prompt: Token ids of the prompt.
        ends: Token ids that end an answer.
    """

    def __init__(self, watch: Watch, prompt: Sequence[int], ends: set[int]) -> None:
        self._watch, self._prompt, self._ends = watch, tuple(prompt), ends
        self._followed: tuple[LinearFold, Recording] | None = None

    def following(self, fold: LinearFold, recording: Recording | None) -> _Steps:
        """Return the same for a generation that is recorded, or with ``None`` is not."""
        self._followed = None if recording is None else (fold, recording)
        return self

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        if self._followed is None:
            self._watch(None)
        else:
            # The newest token waits for the next step: a cache that cannot be followed shows then,
            # and some devices generate one token more than they return.
            self._followed[1].require(input_ids.shape[1] - 1)
            new = input_ids[0, len(self._prompt) : -1].tolist()
            self._watch(Progress(_until_end(new, self._ends), self._prompt, *self._followed))
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


class _NanWatch(LogitsProcessor):  # type: ignore[misc]  # transformers' classes are untyped here
    """Remembers whether any logit was NaN, without waiting for the device."""

    def __init__(self) -> None:
        self._found: Tensor | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        bad = torch.isnan(scores).any()
        self._found = bad if self._found is None else self._found | bad
        return scores

    @property
    def found(self) -> bool:
        return self._found is not None and bool(self._found)


@dataclass(frozen=True)
class RecordedModel:
    """A model whose attention is folded while it runs.

    Attributes:
        model: The causal language model to run, of transformers.
    """

    model: PreTrainedModel

    @property
    def name(self) -> str:
        """The model's name, as it was loaded."""
        return str(self.model.config.name_or_path or type(self.model).__name__)

    @property
    def shape(self) -> AttentionShape:
        """How many layers and heads are recorded.

        Raises:
            UnsupportedModelError: If the model's attention weights cannot be had exactly.
        """
        return capture_of(self.model).shape

    @torch.inference_mode()
    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        weightings: Tensor,
        options: Mapping[str, Any],
        watch: Watch | None = None,
        *,
        keep: bool = False,
    ) -> list[Generation]:
        """Generate an answer to each prompt and fold the attention of its tokens.

        Args:
            prompts: Token ids of each prompt; they are padded on the left to the longest.
            weightings: (weightings, layers, heads): what attention is weighted by.
            options: Options of ``model.generate``, by name.
            watch: Called after each step of the generation; for a single prompt only.
            keep: Whether to keep the cache, of a single prompt whose steps can be followed.

        Raises:
            InputError: If the options ask for several answers to a prompt.
            NumericalError: If logits or attention are NaN.
        """
        options = generate_options(self.model, options)
        nans = _NanWatch()
        processors = LogitsProcessorList([*(options.pop("logits_processor", None) or []), nans])
        longest = max(map(len, prompts))
        pad = options["pad_token_id"]
        rows = [[pad] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
        device = input_device(self.model)
        arguments = {
            "input_ids": torch.tensor(rows, device=device),
            "attention_mask": _left_padded(list(map(len, prompts))).to(device),
            "logits_processor": processors,
            **few_logits(self.model, 1),
            **options,
        }
        ends = end_ids(self.model, options)
        fold = LinearFold(weightings, longest - 1, _STEPS, longest - 1 + _STEPS)
        steps = None if watch is None else _Steps(watch, prompts[0], ends)
        keep = keep and len(prompts) == 1 and "past_key_values" not in options
        cache = DynamicCache(config=self.model.config) if keep else None
        output, recorded = self._run(arguments, fold, steps, cache)
        if nans.found:
            raise NumericalError(_not_finite("logits"))
        found = []
        for index, (prompt, new) in enumerate(
            zip(prompts, output[:, longest:].tolist(), strict=True)
        ):
            if len(prompts) > 1:
                new = _without(new, pad)  # where others went on
            ids = _until_end(new, ends)
            truncated = len(ids) == len(new) and len(new) >= options["max_new_tokens"]
            if recorded:
                one = _recorded(fold, prompt, ids, truncated, (index, longest))
                found.append(replace(one, cache=cache))
            else:
                found.append(Generation(ids, self.read(prompt, ids, weightings), truncated))
        return found

    @torch.inference_mode()
    def read(
        self,
        prompt: Sequence[int],
        answer: Sequence[int],
        weightings: Tensor,
        cache: DynamicCache | None = None,
        ranges: Sequence[Span] | None = None,
    ) -> TokenAttention:
        """Read a given answer in one pass and return the attention of its tokens.

        Args:
            prompt: Token ids of the prompt.
            answer: Token ids of the answer.
            weightings: (weightings, layers, heads): what attention is weighted by.
            cache: An empty one, to keep what the model remembers; ``None`` to forget it.
            ranges: Tokens of the prompt that attention is wanted to as wholes, which costs less;
                ``None`` for every token by itself.

        Raises:
            NumericalError: If logits or attention are NaN.
        """
        wanted = None if ranges is None else [ranges]
        [found] = self.read_batch([(prompt, answer)], weightings, cache, wanted)
        return found

    @torch.inference_mode()
    def read_batch(
        self,
        texts: Sequence[tuple[Sequence[int], Sequence[int]]],
        weightings: Tensor,
        cache: DynamicCache | None = None,
        ranges: Sequence[Sequence[Span]] | None = None,
    ) -> list[TokenAttention]:
        """Read given answers in one pass and return the attention of the tokens of each.

        Texts that are shorter than the longest are padded behind, where no token of theirs looks,
        so that what is computed of them is what a pass over each alone computes, up to rounding.

        Args:
            texts: Token ids of each prompt, and of the answer to it.
            weightings: (weightings, layers, heads): what attention is weighted by.
            cache: An empty one, to keep what the model remembers of a single text; ``None`` to
                forget it.
            ranges: Tokens of each prompt that attention is wanted to as wholes; ``None`` for every
                token by itself.

        Raises:
            NumericalError: If logits or attention are NaN.
        """
        said = [index for index, (_, answer) in enumerate(texts) if answer]
        pieces = None
        if ranges is not None:
            pieces = [Pieces.of(ranges[index], len(texts[index][0])) for index in said]
        attention = iter(self._read([texts[i] for i in said], weightings, cache, pieces))
        return [
            next(attention) if answer else _nothing_said(prompt, weightings)
            for prompt, answer in texts
        ]

    def _read(
        self,
        texts: Sequence[tuple[Sequence[int], Sequence[int]]],
        weightings: Tensor,
        cache: DynamicCache | None,
        pieces: Sequence[Pieces] | None,
    ) -> list[TokenAttention]:
        """Return what :meth:`read_batch` does; no answer may be empty."""
        if not texts:
            return []
        # The last token of the answer is predicted, and predicts nothing that is wanted.
        keys = [[*prompt, *answer][:-1] for prompt, answer in texts]
        longest = max(map(len, keys))
        first_row = min(len(prompt) for prompt, _ in texts) - 1
        fold = LinearFold(weightings, first_row, longest - first_row, longest, pieces)
        rows = [ids + [0] * (longest - len(ids)) for ids in keys]
        ends = sorted({len(ids) - 1 for ids in keys})
        with capture_of(self.model).recording(self.model, fold, first_row):
            logits = self.model(
                input_ids=torch.tensor(rows, device=input_device(self.model)),
                past_key_values=cache,
                use_cache=cache is not None,
                **logits_at(self.model, ends),
            ).logits
        if bool(torch.isnan(logits).any()):
            raise NumericalError(_not_finite("logits"))
        found = [
            _attention(fold, ids, answer, index, first=len(prompt) - 1 - first_row)
            for index, (ids, (prompt, answer)) in enumerate(zip(keys, texts, strict=True))
        ]
        if pieces is None:
            return found
        return [replace(each, pieces=cut) for each, cut in zip(found, pieces, strict=True)]

    def _run(
        self,
        arguments: dict[str, Any],
        fold: LinearFold,
        steps: _Steps | None,
        cache: DynamicCache | None,
    ) -> tuple[Tensor, bool]:
        """Generate, and return the token ids and whether their attention was folded.

        Args:
            arguments: All arguments of ``model.generate``, by name.
            fold: What takes in the attention while the model runs.
            steps: What follows the steps; ``None`` if nobody wants to know.
            cache: An empty one, to keep what the model remembers if the steps can be followed;
                ``None`` to forget it.
        """
        given = arguments.pop("stopping_criteria", None) or []

        def generate(recording: Recording | None) -> Tensor:
            kept = {} if recording is None or cache is None else {"past_key_values": cache}
            followed = [] if steps is None else [steps.following(fold, recording)]
            criteria = StoppingCriteriaList([*given, *followed])
            output: Tensor = self.model.generate(**kept, **arguments, stopping_criteria=criteria)
            return output

        if is_recordable(self.model, arguments):
            first_row = arguments["input_ids"].shape[1] - 1
            try:
                with capture_of(self.model).recording(
                    self.model, fold, first_row, stepwise=True
                ) as recording:
                    output = generate(recording)
                    recording.require(output.shape[1] - 1)
                return output, True
            except RecordingLost:
                pass  # unforeseen caches or passes: answer again without recording, then read
        return generate(None), False


def _until_end(ids: list[int], ends: set[int]) -> tuple[int, ...]:
    stop = next((i for i, token in enumerate(ids) if token in ends), len(ids))
    return tuple(ids[:stop])


def _without(ids: list[int], pad: int) -> list[int]:
    """Return the ids without padding behind them."""
    last = max((index for index, token in enumerate(ids) if token != pad), default=-1)
    return ids[: last + 1]


def _left_padded(lengths: Sequence[int]) -> Tensor:
    """Return (texts, longest): 0 where a text is padded, else 1."""
    longest = max(lengths)
    return (torch.arange(longest) >= longest - torch.tensor(lengths)[:, None]).long()


def _recorded(
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
    attention = _attention(fold, (*prompt, *ids[:-1]), ids, index, longest - len(prompt))
    return Generation(ids, attention, truncated)


def _attention(
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
        raise NumericalError(_not_finite("attention"))
    return TokenAttention(tables, tuple(keys), tuple(answer))


def _nothing_said(prompt: Sequence[int], weightings: Tensor) -> TokenAttention:
    """Return the attention of an answer without tokens."""
    return TokenAttention(torch.zeros(len(weightings), 0, len(prompt)), tuple(prompt), ())


def _not_finite(what: str) -> str:
    return (
        f"The model's {what} became NaN or infinite; expected finite numbers. Load it in a wider "
        'type (dtype="float32" or "bfloat16"), or check its weights.'
    )
