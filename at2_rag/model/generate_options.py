"""What a generation is asked for: its options, with our defaults, and what they allow."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from inspect import signature
from reprlib import repr as short
from typing import Any

from transformers import GenerationConfig, PreTrainedModel

from at2_rag.errors import InputError

#: generate() options under which its steps are not one query after the other on one cache.
_UNRECORDABLE = (
    "assistant_model",
    "prompt_lookup_num_tokens",
    "cache_implementation",
    "custom_generate",
    "penalty_alpha",
    "constraints",
    "dola_layers",
    "prefill_chunk_size",
)

#: Options that generate() takes and does not name.
_UNNAMED = ("tokenizer", "assistant_tokenizer")


def refuse_misspelt(
    model: PreTrainedModel, options: Mapping[str, Any], others: Collection[str]
) -> None:
    """Raise ``InputError`` if there are options that nobody knows, with those that were meant.

    Args:
        model: The model that is to generate.
        options: Options by name, of ``model.generate``.
        others: Names of other options, which the caller knows.
    """
    if not options or options.get("custom_generate") is not None:
        return  # the latter has options of its own
    functions = (model.generate, model.forward, model.prepare_inputs_for_generation)
    known = {name for function in functions for name in signature(function).parameters}
    known |= set(vars(GenerationConfig())) | set(_UNNAMED)
    for name in options:
        if name in known:
            continue
        meant = get_close_matches(name, sorted({*others, *known}), n=2)
        advice = f"did you mean {' or '.join(meant)}?" if meant else "leave it out."
        raise InputError(
            f"Unknown option {name}={short(options[name])}; expected any of "
            f"{', '.join(others)}, or an option of model.generate: {advice}"
        )


def generate_options(model: PreTrainedModel, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of ``model.generate`` with our defaults: greedy, one answer.

    Raises:
        InputError: If they ask for several answers, or give a cache that holds a text.
    """
    if options.get("num_return_sequences", 1) != 1:
        raise InputError(
            f"num_return_sequences is {options['num_return_sequences']}; expected 1: ask "
            "again for another answer."
        )
    if options.get("return_dict_in_generate"):
        raise InputError("return_dict_in_generate is set; expected it unset.")
    if options.get("past_key_values") is not None:
        raise InputError(
            "past_key_values is given; expected none: a cache holds one text, and would answer "
            'the next from it. Name its kind instead, as in cache_implementation="static".'
        )
    result = {"do_sample": False, "pad_token_id": _pad_id(model), **options}
    if not result["do_sample"]:
        # A model's own sampling defaults mean nothing to greedy search, which warns of them.
        result = {"temperature": None, "top_p": None, "top_k": None, **result}
    return result


def _pad_id(model: PreTrainedModel) -> int:
    config = model.generation_config
    ends = config.eos_token_id if config.eos_token_id is not None else 0
    first_end = ends[0] if isinstance(ends, list | tuple) else ends
    return int(first_end if config.pad_token_id is None else config.pad_token_id)


def end_ids(model: PreTrainedModel, options: Mapping[str, Any]) -> set[int]:
    """Return the token ids that end an answer."""
    ends = options.get("eos_token_id", model.generation_config.eos_token_id)
    if ends is None:
        return set()
    return set(ends) if isinstance(ends, list | tuple) else {int(ends)}


def is_recordable(model: PreTrainedModel, arguments: Mapping[str, Any]) -> bool:
    """Return whether the steps of a generation can be followed."""

    def chosen(name: str) -> Any:
        given = arguments.get("generation_config") or model.generation_config
        return arguments.get(name, getattr(given, name, None))

    if (chosen("num_beams") or 1) > 1 or chosen("use_cache") is False:
        return False
    return all(chosen(name) is None for name in _UNRECORDABLE)
