"""The two ways to run the model while its attention is folded: answering, and reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import (
    DynamicCache,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteriaList,
)

from at2_rag.attention.folds import LinearFold
from at2_rag.attention.layers import whole_cache
from at2_rag.attention.pieces import Pieces
from at2_rag.attention.probe import AttentionShape
from at2_rag.attention.recording import Recording, RecordingLost, capture_of
from at2_rag.errors import NumericalError
from at2_rag.estimators import TokenAttention
from at2_rag.model.generate_options import end_ids, generate_options, is_recordable
from at2_rag.model.generation import (
    EndsWith,
    Generation,
    NanWatch,
    Steps,
    Until,
    Watch,
    not_finite,
    recorded_attention,
    recorded_generation,
    until_end,
)
from at2_rag.model_facts import few_logits, input_device, logits_at
from at2_rag.spans import Span

#: Answer tokens to make room for at first.
_STEPS = 64


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
        until: EndsWith | None = None,
        keep: bool = False,
    ) -> list[Generation]:
        """Generate an answer to each prompt and fold the attention of its tokens.

        Args:
            prompts: Token ids of each prompt; they are padded on the left to the longest.
            weightings: (weightings, layers, heads): what attention is weighted by.
            options: Options of ``model.generate``, by name.
            watch: Called after each step of the generation; for a single prompt only.
            until: Says of an answer's token ids so far whether it is to end with them; ``None`` for
                the model's own end alone.
            keep: Whether to keep the cache, of a single prompt whose steps can be followed.

        Raises:
            InputError: If the options ask for several answers to a prompt.
            NumericalError: If logits or attention are NaN.
        """
        options = generate_options(self.model, options)
        nans = NanWatch()
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
        if until is not None:
            given = arguments.get("stopping_criteria") or []
            arguments["stopping_criteria"] = [*given, Until(until, longest)]
        ends = end_ids(self.model, options)
        fold = LinearFold(weightings, longest - 1, _STEPS, longest - 1 + _STEPS)
        steps = None if watch is None else Steps(watch, prompts[0], ends)
        keep = keep and len(prompts) == 1 and "past_key_values" not in options
        cache = whole_cache(self.model) if keep else None
        output, recorded = self._run(arguments, fold, steps, cache)
        if nans.found:
            raise NumericalError(not_finite("logits"))
        found = []
        for index, (prompt, new) in enumerate(
            zip(prompts, output[:, longest:].tolist(), strict=True)
        ):
            if len(prompts) > 1:
                new = _without(new, pad)  # where others went on
            ids = until_end(new, ends)
            ended = len(ids) < len(new) or (until is not None and until(ids))
            truncated = not ended and len(new) >= options["max_new_tokens"]
            if recorded:
                one = recorded_generation(fold, prompt, ids, truncated, (index, longest))
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
            cache: To keep what the model remembers, and go on from what it does: an empty one, or
                one of less than the whole prompt; ``None`` to forget it.
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
            cache: Where the model remembers a single text, as for :meth:`read`; ``None`` to forget
                it.
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
        known = 0 if cache is None else cache.get_seq_length()
        rows = [ids[known:] + [0] * (longest - len(ids)) for ids in keys]
        ends = sorted({len(ids) - 1 - known for ids in keys})
        with capture_of(self.model).recording(self.model, fold, first_row, known=known):
            logits = self.model(
                input_ids=torch.tensor(rows, device=input_device(self.model)),
                past_key_values=cache,
                use_cache=cache is not None,
                **logits_at(self.model, ends),
            ).logits
        if bool(torch.isnan(logits).any()):
            raise NumericalError(not_finite("logits"))
        found = [
            recorded_attention(fold, ids, answer, index, first=len(prompt) - 1 - first_row)
            for index, (ids, (prompt, answer)) in enumerate(zip(keys, texts, strict=True))
        ]
        if pieces is None:
            return found
        return [replace(each, pieces=cut) for each, cut in zip(found, pieces, strict=True)]

    def _run(
        self,
        arguments: dict[str, Any],
        fold: LinearFold,
        steps: Steps | None,
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


def _without(ids: list[int], pad: int) -> list[int]:
    """Return the ids without padding behind them."""
    last = max((index for index, token in enumerate(ids) if token != pad), default=-1)
    return ids[: last + 1]


def _left_padded(lengths: Sequence[int]) -> Tensor:
    """Return (texts, longest): 0 where a text is padded, else 1."""
    longest = max(lengths)
    return (torch.arange(longest) >= longest - torch.tensor(lengths)[:, None]).long()


def _nothing_said(prompt: Sequence[int], weightings: Tensor) -> TokenAttention:
    """Return the attention of an answer without tokens."""
    return TokenAttention(torch.zeros(len(weightings), 0, len(prompt)), tuple(prompt), ())
