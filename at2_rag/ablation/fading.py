"""Letting attention to sources fade, and not only masking it, so that there is a way back to them.

What follows all sources pays each of them a share of the attention that it would. At a share of 1
nothing is ablated; at 0 all is that attention knockout hides; and between the two, an answer's
log-probability has a gradient by each source's share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from at2_rag.ablation.checked import once_per_model
from at2_rag.ablation.reuse import Beginning, first_pass
from at2_rag.ablation.task import AttributionTask
from at2_rag.errors import UnsupportedModelError
from at2_rag.model_facts import few_logits, input_device, vocabulary_size
from at2_rag.spans import Span

#: Tokens of the check, how many of them are read first, and what then fades.
_TOKENS, _READ, _FADING = 8, 5, ((2, 3), (3, 5))


@dataclass(frozen=True)
class FadingText:
    """A text whose end can be run with less and less attention to sources.

    Attributes:
        model: The model that it is run on.
        tokens: (tokens,): token ids of the text.
        sources: Token range of each source.
        beginning: What the model remembers of what is before the end.
        behind: Position of the first token of the end, from which on sources fade.
    """

    model: PreTrainedModel
    tokens: Tensor
    sources: Sequence[Span]
    beginning: Beginning
    behind: int

    @classmethod
    def of(cls, task: AttributionTask) -> FadingText:
        """Return a task's text; what is before its end is read, if nobody kept that.

        Raises:
            UnsupportedModelError: If what the model remembers of a text cannot be copied, or it
                takes no mask that is between seeing and not.
        """
        model, tokens = task.model, torch.tensor(task.ids[:-1])
        possible = task.ablator_with((), by="knockout").can_hide and can_fade(model)
        beginning = task.known
        if possible and beginning is None:
            beginning = _beginning(model, tokens[: task.behind_sources])
        if not possible or beginning is None:
            raise UnsupportedModelError(
                f"Attention to sources cannot fade with {type(model).__name__} at "
                f"{len(tokens):,} tokens: that takes a model loaded with sdpa or eager attention, "
                "without sliding windows that are shorter than the text or layers other than "
                "attention. Use another method, such as knockout or leave-one-out."
            )
        return cls(model, tokens, task.sources, beginning, task.behind_sources)

    def logits(self, shares: Tensor, rows: int) -> Tensor:
        """Run the end of the text.

        Args:
            shares: (texts, sources): which share of its attention each source is paid, above 0.
            rows: How many tokens at the end have logits that are wanted.

        Returns:
            (texts, rows, vocabulary): logits, in the model's type and on its device.
        """
        device, texts = input_device(self.model), len(shares)
        end = self.tokens[self.behind :]
        logits: Tensor = self.model(
            input_ids=end.expand(texts, -1).to(device),
            attention_mask=self._mask(shares).to(device, self.model.dtype),
            position_ids=torch.arange(self.behind, len(self.tokens)).expand(texts, -1).to(device),
            past_key_values=self.beginning.copies(texts, self.behind),
            use_cache=True,
            **few_logits(self.model, rows),
        ).logits
        return logits[:, -rows:]

    def _mask(self, shares: Tensor) -> Tensor:
        """Return (texts, 1, end tokens, tokens): what is added to the logits of attention.

        The logarithm of a share: attention is paid as before, but for this factor.
        """
        keys = torch.arange(len(self.tokens))
        rows = keys[self.behind :, None]
        within = torch.stack([(keys >= start) & (keys < end) for start, end in self.sources])
        # A source's own tokens go on seeing one another, where it is behind others (a thought).
        last = torch.stack(
            [end * inside for inside, (_, end) in zip(within, self.sources, strict=True)]
        )
        faded = shares.log() @ within.to(shares.dtype)
        bias = torch.where(rows >= last.amax(dim=0), faded[:, None, :], 0.0)
        return bias.masked_fill(keys > rows, float("-inf"))[:, None]


@torch.inference_mode()
def _beginning(model: PreTrainedModel, tokens: Tensor) -> Beginning | None:
    found = first_pass(model, tokens, 1)
    return None if found is None else found.beginning


@once_per_model
@torch.inference_mode()
def can_fade(model: PreTrainedModel) -> bool:
    """Return whether a model takes a mask that is between seeing and not.

    On a few tokens: with whole shares they come out as on their own, and with next to none as with
    the same tokens masked. Attention functions that take no such mask leave it out, or fail.
    """
    tokens = torch.arange(1, _TOKENS + 1) * 7 % vocabulary_size(model)
    beginning = _beginning(model, tokens[:_READ])
    if beginning is None:
        return False
    text = FadingText(model, tokens, _FADING, beginning, _READ)
    device = input_device(model)
    visible = torch.ones(2, _TOKENS, dtype=torch.long)
    visible[1, _FADING[0][0] : _FADING[-1][1]] = 0
    try:
        found = text.logits(torch.tensor([[1.0, 1.0], [1e-30, 1e-30]]), 1)
    except (RuntimeError, ValueError, TypeError):
        return False
    expected = model(
        input_ids=tokens[_READ:].expand(2, -1).to(device),
        attention_mask=visible.to(device),
        position_ids=torch.arange(_READ, _TOKENS).expand(2, -1).to(device),
        past_key_values=beginning.copies(2, _READ),
        use_cache=True,
        **few_logits(model, 1),
    ).logits[:, -1:]
    # Narrow types differ by a few of their own steps.
    tolerance = max(1e-4, 4 * torch.finfo(model.dtype).eps)
    return bool((expected - found).abs().max() <= tolerance * expected.abs().max())
