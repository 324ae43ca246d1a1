"""What a reader warns of when it is made: scores and prompts that are less than they could be."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from at2_rag.model_facts import has_bfloat16_tiles


class NoHeadsWarning(UserWarning):
    """Probing found no heads that look at what a model says; scores are cruder for it."""


class PlainPromptWarning(UserWarning):
    """The tokenizer has no chat template, so prompts are plain text."""


class NoSamplingWarning(UserWarning):
    """Options of sampling were given, and nothing is sampled."""


class WideTypeWarning(UserWarning):
    """A model's weights are in float32, on a processor that is faster with bfloat16."""


class NarrowTypeWarning(UserWarning):
    """A model's weights have 16 bits, on a processor that is much faster with float32."""


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
    """Warn of float32, on a processor that multiplies bfloat16 in tiles.

    Python tells it once for each place in a program.

    Args:
        model: A large model in float32, as its checkpoint is.
        stacklevel: Which caller the warning points to, as for ``warnings.warn``: 1 is where this
            is called.
    """
    if not has_bfloat16_tiles():
        return
    warnings.warn(
        f"The weights of {_called(model)} are float32, and this "
        'processor has instructions for bfloat16 (AMX): with dtype="bfloat16", --dtype bfloat16 '
        "on the command line, a prompt is read in about half the time, and half the memory.",
        WideTypeWarning,
        stacklevel=stacklevel + 1,
    )


def warn_of_narrow_type(model: PreTrainedModel, stacklevel: int) -> None:
    """Warn of 16 bits, on a processor that is slow with them.

    Python tells it once for each place in a program.

    Args:
        model: A large model in a type of 16 bits.
        stacklevel: As for :func:`warn_of_wide_type`.
    """
    name, size = str(model.dtype).removeprefix("torch."), 4e-9 * model.num_parameters()
    warnings.warn(
        f"The weights of {_called(model)} are {name}, for which this processor has no "
        f"instructions: a prompt is read several times as slowly as in float32, which takes "
        f'{size:.1f} GB. If there is memory for that, load it with dtype="float32" '
        "(--dtype float32 on the command line).",
        NarrowTypeWarning,
        stacklevel=stacklevel + 1,
    )


def _called(model: PreTrainedModel) -> str:
    return model.name_or_path or type(model).__name__


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
        "prompts are plain text that ends in 'Answer:', and an answer ends where another such line "
        "would begin. Set tokenizer.chat_template if the model was trained with one.",
        PlainPromptWarning,
        stacklevel=stacklevel + 1,
    )
