"""The two ways to run the model while its attention is folded: answering, and reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from at2_rag.capture import AttentionCapture, RecordingLost, capture_of
from at2_rag.errors import InputError, NumericalError
from at2_rag.estimators import ScoreEstimator, TokenAttention
from at2_rag.folding import LinearFold
from at2_rag.interface import install
from at2_rag.logits import few_logits

#: generate() options under which its steps are not one query after the other on one cache.
_UNRECORDABLE = (
    "assistant_model",
    "prompt_lookup_num_tokens",
    "cache_implementation",
    "past_key_values",
    "custom_generate",
    "penalty_alpha",
    "constraints",
    "dola_layers",
    "prefill_chunk_size",
)


@dataclass(frozen=True)
class Generation:
    """An answer as token ids.

    Attributes:
        ids: Token ids, without the end token.
        attention: Of its tokens, folded with the estimator's weightings.
        truncated: Whether it stopped at the longest length.
    """

    ids: tuple[int, ...]
    attention: TokenAttention
    truncated: bool


@dataclass(frozen=True)
class Progress:
    """A generation that is going on; to be used before its next step only.

    Attributes:
        ids: Token ids so far, without the end token.
    """

    ids: tuple[int, ...]
    _prompt: tuple[int, ...]
    _fold: LinearFold

    def first(self, tokens: int) -> Generation:
        """Return the first ``tokens`` of them, as they will be in the finished generation.

        Raises:
            NumericalError: If their attention is NaN.
        """
        return _recorded(self._fold, self._prompt, self.ids[:tokens], truncated=False)


#: Called after each step of a generation; what it raises ends the generation. ``None`` where the
#: steps cannot be followed.
Watch = Callable[[Progress | None], None]


class _Steps(StoppingCriteria):  # type: ignore[misc]  # transformers' classes are untyped here
    """Stops nothing by itself, and tells a watch of each step."""

    def __init__(
        self, watch: Watch, prompt: Sequence[int], fold: LinearFold | None, ends: set[int]
    ) -> None:
        self._watch, self._prompt, self._fold, self._ends = watch, tuple(prompt), fold, ends

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        if self._fold is None:
            self._watch(None)
        else:
            # The newest token waits for the next step: a cache that cannot be followed shows then,
            # and some devices generate one token more than they return.
            new = input_ids[0, len(self._prompt) : -1].tolist()
            self._watch(Progress(_until_end(new, self._ends), self._prompt, self._fold))
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


class RecordedModel:
    """A model together with its capture and the estimator that its attention is folded with.

    Args:
        model: The reader's model.
        capture: Its capture.
        estimator: Its coefficients.
    """

    def __init__(
        self, model: PreTrainedModel, capture: AttentionCapture, estimator: ScoreEstimator
    ) -> None:
        self.model = model
        self._capture = capture
        self._estimator = estimator

    def __getstate__(self) -> dict[str, Any]:
        # A capture knows the model's layers by identity, which a copy's layers do not share.
        return {"model": self.model, "_estimator": self._estimator}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.model.config._attn_implementation not in ALL_ATTENTION_FUNCTIONS:
            # In another process, the function that records is not registered yet.
            self.model.set_attn_implementation(install(self.model))
        self._capture = capture_of(self.model)

    @torch.inference_mode()
    def generate(
        self, prompt: Sequence[int], options: dict[str, Any], watch: Watch | None = None
    ) -> Generation:
        """Generate an answer and fold the attention of its tokens.

        Args:
            prompt: Token ids.
            options: Of ``model.generate``.
            watch: Told of each step.

        Raises:
            InputError: If the options ask for several answers.
            NumericalError: If logits or attention are NaN.
        """
        options = self._checked(options)
        nans = _NanWatch()
        processors = LogitsProcessorList([*(options.pop("logits_processor", None) or []), nans])
        tokens = torch.tensor([list(prompt)], device=self._device)
        arguments = {
            "input_ids": tokens,
            "attention_mask": torch.ones_like(tokens),
            "logits_processor": processors,
            **options,
        }
        ends = self._end_ids(options)
        output, fold = self._run(arguments, prompt, ends, watch)
        if nans.found:
            raise NumericalError(_not_finite("logits"))
        new = output[0, len(prompt) :].tolist()
        ids = _until_end(new, ends)
        truncated = len(ids) == len(new) and len(new) >= options["max_new_tokens"]
        if fold is None:
            return Generation(ids, self.read(prompt, ids), truncated)
        return _recorded(fold, prompt, ids, truncated)

    @torch.inference_mode()
    def read(self, prompt: Sequence[int], answer: Sequence[int]) -> TokenAttention:
        """Read a given answer in one pass and return the attention of its tokens.

        Raises:
            NumericalError: If logits or attention are NaN.
        """
        if not answer:
            weightings = len(self._estimator.weightings)
            return TokenAttention(torch.zeros(weightings, 0, len(prompt)), tuple(prompt), ())
        # The last token of the answer is predicted, and predicts nothing that is wanted.
        ids = [*prompt, *answer][:-1]
        fold = self._fold(len(prompt), len(ids))
        with self._capture.recording(self.model, fold, first_row=len(prompt) - 1):
            tokens = torch.tensor([ids], device=self._device)
            logits = self.model(
                input_ids=tokens, use_cache=False, **few_logits(self.model, 1)
            ).logits
        if bool(torch.isnan(logits).any()):
            raise NumericalError(_not_finite("logits"))
        return _attention(fold, ids, answer)

    def _run(
        self,
        arguments: dict[str, Any],
        prompt: Sequence[int],
        ends: set[int],
        watch: Watch | None,
    ) -> tuple[Tensor, LinearFold | None]:
        given = arguments.pop("stopping_criteria", None) or []

        def generate(fold: LinearFold | None) -> Tensor:
            steps = [] if watch is None else [_Steps(watch, prompt, fold, ends)]
            criteria = StoppingCriteriaList([*given, *steps])
            output: Tensor = self.model.generate(**arguments, stopping_criteria=criteria)
            return output

        if _is_recordable(self.model, arguments):
            fold = self._fold(len(prompt), len(prompt))
            try:
                with self._capture.recording(self.model, fold, first_row=len(prompt) - 1):
                    return generate(fold), fold
            except RecordingLost:
                pass  # an unforeseen cache: answer again without recording, then read
        return generate(None), None

    def _fold(self, prompt_length: int, keys: int) -> LinearFold:
        return LinearFold(self._estimator.weightings, prompt_length - 1, keys)

    def _checked(self, options: dict[str, Any]) -> dict[str, Any]:
        if options.get("num_return_sequences", 1) != 1:
            raise InputError(
                f"num_return_sequences is {options['num_return_sequences']}; expected 1: ask "
                "again for another answer."
            )
        if options.get("return_dict_in_generate"):
            raise InputError("return_dict_in_generate is set; expected it unset.")
        result = {"do_sample": False, "pad_token_id": self._pad_id(), **options}
        if not result["do_sample"]:
            # A model's own sampling defaults mean nothing to greedy search, which warns of them.
            result = {"temperature": None, "top_p": None, "top_k": None, **result}
        return result

    def _pad_id(self) -> int:
        config = self.model.generation_config
        ends = config.eos_token_id if config.eos_token_id is not None else 0
        first_end = ends[0] if isinstance(ends, list | tuple) else ends
        return int(first_end if config.pad_token_id is None else config.pad_token_id)

    def _end_ids(self, options: dict[str, Any]) -> set[int]:
        ends = options.get("eos_token_id", self.model.generation_config.eos_token_id)
        if ends is None:
            return set()
        return set(ends) if isinstance(ends, list | tuple) else {int(ends)}

    @property
    def _device(self) -> torch.device:
        device: torch.device = self.model.get_input_embeddings().weight.device
        return device


def _is_recordable(model: PreTrainedModel, arguments: dict[str, Any]) -> bool:
    def chosen(name: str) -> Any:
        given = arguments.get("generation_config") or model.generation_config
        return arguments.get(name, getattr(given, name, None))

    if (chosen("num_beams") or 1) > 1 or chosen("use_cache") is False:
        return False
    return all(chosen(name) is None for name in _UNRECORDABLE)


def _until_end(ids: list[int], ends: set[int]) -> tuple[int, ...]:
    stop = next((i for i, token in enumerate(ids) if token in ends), len(ids))
    return tuple(ids[:stop])


def _recorded(
    fold: LinearFold, prompt: Sequence[int], ids: tuple[int, ...], truncated: bool
) -> Generation:
    return Generation(ids, _attention(fold, (*prompt, *ids[:-1]), ids), truncated)


def _attention(fold: LinearFold, keys: Sequence[int], answer: Sequence[int]) -> TokenAttention:
    tables = fold.tables(len(answer), len(keys))[:, 0]
    if not bool(torch.isfinite(tables).all()):
        raise NumericalError(_not_finite("attention"))
    return TokenAttention(tables, tuple(keys), tuple(answer))


def _not_finite(what: str) -> str:
    return (
        f"The model's {what} became NaN or infinite; expected finite numbers. Load it in a wider "
        'type (dtype="float32" or "bfloat16"), or check its weights.'
    )
