"""What a generation is asked for: its options, with our defaults, and what they allow."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from inspect import signature
from reprlib import repr as short
from typing import Any

from transformers import GenerationConfig, PreTrainedModel

from at2_rag.errors import InputError
from at2_rag.prompt.settings import meant_by

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

#: What a configuration holds that no answer has: what is returned beside it, where it is from, and
#: a bound on prompt and answer together, which is mostly the model's own.
_NOT_ASKED = {
    "max_length",
    "return_dict_in_generate",
    "output_scores",
    "output_logits",
    "output_attentions",
    "output_hidden_states",
    "transformers_version",
}

#: Options that only sampling looks at, each with the values that change nothing without it.
_SAMPLING: dict[str, tuple[Any, ...]] = {
    "temperature": (None, 0, 1),
    "top_p": (None, 1),
    "top_k": (None, 0, 1),
    "min_p": (None, 0),
    "typical_p": (None, 1),
    "epsilon_cutoff": (None, 0),
    "eta_cutoff": (None, 0),
}


def with_config_unfolded(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options in which a ``generation_config`` is replaced by what it sets.

    What is given beside it goes before what it sets.

    Args:
        options: Options by name, of ``model.generate`` and others.

    Raises:
        InputError: If it is no ``GenerationConfig``.
    """
    rest = {name: value for name, value in options.items() if name != "generation_config"}
    config = options.get("generation_config")
    if config is None:
        return rest
    if not isinstance(config, GenerationConfig):
        raise InputError(
            f"generation_config is a {type(config).__name__}; expected a GenerationConfig: "
            "GenerationConfig(do_sample=True), or the options themselves, by name."
        )
    return {**_set_in(config), **rest}


def _set_in(config: GenerationConfig) -> dict[str, Any]:
    """Return the options that a configuration sets to something else than their defaults."""
    found = {}
    for name, default in vars(GenerationConfig()).items():
        value = getattr(config, name, None)
        if name.startswith("_") or name in _NOT_ASKED or value is None or value == default:
            continue
        found[name] = value
    return found


def chosen(model: PreTrainedModel, options: Mapping[str, Any], name: str) -> Any:
    """Return what a generation is asked for under a name: by its options, else by the model's own.

    Args:
        model: The model that is to generate.
        options: Options of ``model.generate``, by name.
        name: Name of the option.
    """
    return options.get(name, getattr(model.generation_config, name, None))


def stop_strings(model: PreTrainedModel, options: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the strings that a generation is told to end at; ``None`` if it is told nothing.

    Args:
        model: The model that is to generate.
        options: Options of ``model.generate``, by name.

    Raises:
        InputError: If they are no strings.
    """
    told = chosen(model, options, "stop_strings")
    if told is None:
        return None
    strings = [told] if isinstance(told, str) else told
    if not isinstance(strings, Iterable) or not all(isinstance(each, str) for each in strings):
        raise InputError(
            f"stop_strings is {short(told)}; expected a string, or several in a list: "
            '["\\n\\n", "Question:"].'
        )
    return tuple(filter(None, strings))


def only_for_sampling(options: Mapping[str, Any]) -> list[str]:
    """Return the names of options that do nothing, since nothing is sampled.

    Args:
        options: Options of ``model.generate``, by name.
    """
    if options.get("do_sample"):
        return []
    return [name for name in _SAMPLING if options.get(name) not in _SAMPLING[name]]


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
        meant = meant_by(name, {*others, *known}, most=2)
        advice = f"did you mean {' or '.join(meant)}?" if meant else "leave it out."
        raise InputError(
            f"Unknown option {name}={short(options[name])}; expected any of "
            f"{', '.join(others)}, or an option of model.generate: {advice}"
        )


def generate_options(model: PreTrainedModel, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of ``model.generate`` with our defaults: greedy, one answer.

    Raises:
        InputError: If they ask for several answers, bound prompt and answer together, give a cache
            that holds a text, cannot be sampled by, or end an answer at what is no string.
    """
    stop_strings(model, options)
    if (asked := chosen(model, options, "num_return_sequences")) not in (None, 1):
        raise InputError(
            f"num_return_sequences is {asked}; expected 1: ask again for another answer."
        )
    if options.get("max_length") is not None:
        raise InputError(
            f"max_length is {options['max_length']}; expected max_new_tokens instead, which bounds "
            "the answer alone, however long its prompt is."
        )
    if options.get("return_dict_in_generate"):
        raise InputError("return_dict_in_generate is set; expected it unset.")
    if options.get("past_key_values") is not None:
        raise InputError(
            "past_key_values is given; expected none: a cache holds one text, and would answer "
            'the next from it. Name its kind instead, as in cache_implementation="static".'
        )
    result = {
        "do_sample": False,
        "pad_token_id": _pad_id(model),
        "return_dict_in_generate": False,
        **options,
    }
    temperature = result.get("temperature")
    if result["do_sample"] and isinstance(temperature, int | float) and temperature <= 0:
        raise InputError(
            f"temperature is {temperature} with do_sample; expected above 0. Leave both out, and "
            "the likeliest tokens are taken."
        )
    if not result["do_sample"]:
        # Sampling options mean nothing to greedy search, which warns of them: the model's own, and
        # a caller's, who has been told.
        given = {name for name in _SAMPLING if chosen(model, options, name) is not None}
        result |= dict.fromkeys(given | {"temperature", "top_p", "top_k"})
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
    if (chosen(model, arguments, "num_beams") or 1) > 1:
        return False
    if chosen(model, arguments, "use_cache") is False:
        return False
    return all(chosen(model, arguments, name) is None for name in _UNRECORDABLE)
