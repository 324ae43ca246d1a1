"""What a reader warns of when it is made: scores and prompts that are less than they could be."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from at2_rag.model_facts import has_bfloat16_tiles, input_device

#: Models of fewer weights are fast in any type.
LARGE = 50_000_000


class NoHeadsWarning(UserWarning):
    """Probing found no heads that look at what a model says; scores are cruder for it."""


class PlainPromptWarning(UserWarning):
    """The tokenizer has no chat template, so prompts are plain text."""


class NoSamplingWarning(UserWarning):
    """Options of sampling were given, and nothing is sampled."""


class WideTypeWarning(UserWarning):
    """A model's weights are in float32, on a processor that is faster with bfloat16."""


class OtherPromptWarning(UserWarning):
    """Scores or thresholds were learned with another prompt than the reader's."""


def warn_of_other_prompt(
    message: str, learned: Collection[str], measured: Collection[str], stacklevel: int
) -> None:
    """Warn if what scores was learned, or its thresholds measured, with other prompts.

    White space aside; where nobody noted a prompt, nothing is said.

    Args:
        message: The message of the reader's template.
        learned: Messages of the templates that the estimator was learned with.
        measured: Messages of the templates that its thresholds were measured with.
        stacklevel: Which caller the warning points to, as for ``warnings.warn``: 1 is where this
            is called.
    """
    for prompts, what in (
        (learned, "score estimator was learned"),
        (measured, "score estimator's thresholds were measured"),
    ):
        if prompts and _plain(message) not in map(_plain, prompts):
            warnings.warn(
                f"The {what} with another prompt than the reader's, {sorted(prompts)[0]!r}: how "
                "well it does with this one was not measured. Set prompt to that one, or learn or "
                "probe again with this one.",
                OtherPromptWarning,
                stacklevel=stacklevel + 1,
            )
            return


def _plain(message: str) -> str:
    return " ".join(message.split())


def warn_of_wide_type(model: PreTrainedModel, stacklevel: int) -> None:
    """Warn if a large model runs in float32 on a processor that multiplies bfloat16 in tiles.

    Python tells it once for each place in a program.

    Args:
        model: The model, in the type that its checkpoint is in.
        stacklevel: Which caller the warning points to, as for ``warnings.warn``: 1 is where this
            is called.
    """
    on_cpu = input_device(model).type == "cpu"
    if model.dtype != torch.float32 or not on_cpu or model.num_parameters() < LARGE:
        return
    if not has_bfloat16_tiles():
        return
    warnings.warn(
        f"The weights of {model.name_or_path or type(model).__name__} are float32, and this "
        'processor has instructions for bfloat16 (AMX): with dtype="bfloat16", --dtype bfloat16 '
        "on the command line, a prompt is read in about half the time, and half the memory.",
        WideTypeWarning,
        stacklevel=stacklevel + 1,
    )


def warn_of_no_sampling(names: Sequence[str], stacklevel: int) -> None:
    """Warn of options that do nothing without ``do_sample``.

    Args:
        names: Names of these options; of none, nothing is said.
        stacklevel: Which caller the warning points to, as for ``warnings.warn``: 1 is where this
            is called.
    """
    if not names:
        return
    warnings.warn(
        f"{' and '.join(names)} {'do' if len(names) > 1 else 'does'} nothing without "
        "do_sample=True: the likeliest token is taken.",
        NoSamplingWarning,
        stacklevel=stacklevel + 1,
    )


def warn_of_plain_prompts(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, stacklevel: int
) -> None:
    """Warn if a model's tokenizer has no chat template.

    Args:
        model: The model that the prompts are for.
        tokenizer: The model's tokenizer.
        stacklevel: Which caller the warning points to, as for ``warnings.warn``: 1 is where this
            is called.
    """
    if tokenizer.chat_template is not None:
        return
    warnings.warn(
        f"The tokenizer of {model.name_or_path or type(model).__name__} has no chat template: "
        "prompts are plain text that ends in 'Answer:'. Set tokenizer.chat_template if the model "
        "was trained with one.",
        PlainPromptWarning,
        stacklevel=stacklevel + 1,
    )
