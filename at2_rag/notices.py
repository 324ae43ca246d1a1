"""What a reader warns of when it is made: scores and prompts that are less than they could be."""

from __future__ import annotations

import warnings

from transformers import PreTrainedModel, PreTrainedTokenizerBase


class AverageAttentionWarning(UserWarning):
    """Scores are average attention, since no learned coefficients were given."""


class PlainPromptWarning(UserWarning):
    """The tokenizer has no chat template, so prompts are plain text."""


def warn_of_average_attention(stacklevel: int) -> None:
    """Warn that no estimator was given.

    Args:
        stacklevel: Which caller the warning points to, as for ``warnings.warn``: 1 is where this
            is called.
    """
    warnings.warn(
        "No score estimator was given: scores are average attention, which ranks sources but has "
        "no learned coefficients. Pass ScoreEstimator.from_hub(...) or .load(...) where one is "
        "trained for this model, or ScoreEstimator.uniform(model) to accept this.",
        AverageAttentionWarning,
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
