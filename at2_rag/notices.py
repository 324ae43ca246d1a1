"""What a reader warns of when it is made: scores and prompts that are less than they could be."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase


class NoHeadsWarning(UserWarning):
    """Probing found no heads that look at what a model says; scores are cruder for it."""


class PlainPromptWarning(UserWarning):
    """The tokenizer has no chat template, so prompts are plain text."""


class NoSamplingWarning(UserWarning):
    """Options of sampling were given, and nothing is sampled."""


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
