"""Letting attention to sources fade, and not only masking it, so that there is a way back to them.

What follows all sources pays each of them a share of the attention that it would. At a share of 1
nothing is ablated; at 0 all is that attention knockout hides; and between the two, an answer's
log-probability has a gradient by each source's share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from at2_rag.ablation.checked import agrees, once_per_model
from at2_rag.ablation.effects import answer_log_probabilities
from at2_rag.ablation.passes import last_logits
from at2_rag.ablation.reuse import Beginning, first_pass
from at2_rag.ablation.task import AttributionTask
from at2_rag.attention.layers import reaches
from at2_rag.errors import UnsupportedModelError
from at2_rag.model_facts import vocabulary_size
from at2_rag.spans import Span

#: Shares of attention at which gradients are taken. A model that is sure of what it copies is so
#: until next to nothing is left to copy from, so one of them is small. Chosen on answers of two
#: models to questions of 2WikiMultiHopQA and QED (docs/faithfulness.md).
SHARES = (0.05, 0.3)

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
            UnsupportedModelError: If the task's sources cannot fade.
        """
        model, tokens = task.model, torch.tensor(task.ids[:-1])
        if not sources_can_fade(task):
            raise UnsupportedModelError(
                f"Attention to sources cannot fade with {type(model).__name__}: that takes a model "
                "loaded with sdpa or eager attention and outside of inference mode, without layers "
                "other than attention. Use another method, such as knockout or leave-one-out."
            )
        beginning = task.known or _beginning(model, tokens[: task.behind_sources])
        assert beginning is not None  # or they cannot fade
        return cls(model, tokens, task.sources, beginning, task.behind_sources)

    def logits(self, shares: Tensor, rows: int) -> Tensor:
        """Run the end of the text.

        Args:
            shares: (texts, sources): which share of its attention each source is paid, above 0.
            rows: How many tokens at the end have logits that are wanted.

        Returns:
            (texts, rows, vocabulary): logits, in the model's type and on its device.
        """
        mask = self._mask(shares).to(self.model.dtype)
        kinds = reaches(self.model).items()
        return self.run({kind: self._within(reach, kind, mask) for kind, reach in kinds}, rows)

    def run(self, mask: Tensor | Mapping[str, Tensor], rows: int) -> Tensor:
        """Run the end of the text, and return what :meth:`logits` does.

        Args:
            mask: What may be attended to, as :func:`at2_rag.ablation.passes.last_logits` takes it.
            rows: As for :meth:`logits`.
        """
        texts = len(mask if isinstance(mask, Tensor) else next(iter(mask.values())))
        places = torch.arange(self.behind, len(self.tokens))
        return last_logits(
            self.model,
            self.tokens[self.behind :].expand(texts, -1),
            mask,
            places.expand(texts, -1),
            rows,
            self.beginning.copies(texts, self.behind),
        )

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

    def _within(self, reach: int | None, kind: str, mask: Tensor) -> Tensor:
        """Return a mask in which nothing is seen that is out of reach."""
        if reach is None:
            return mask
        keys = torch.arange(len(self.tokens))
        rows = keys[self.behind :, None]
        first = rows // reach * reach if kind == "chunked_attention" else rows - reach + 1
        return mask.masked_fill(keys < first, float("-inf"))


def effects_by_gradient(task: AttributionTask, shares: Sequence[float] = SHARES) -> Tensor:
    """Return (targets, sources): what each target owes to attention to each source, in nats.

    The gradient of a target's log-probability by a source's share of attention, integrated from
    none to a whole one while all sources fade together (integrated gradients, Sundararajan et al.,
    arXiv 1703.01365). So they add up to what hiding all of them does, as far as the few shares at
    which the gradient is taken tell.

    Args:
        task: The answer to explain.
        shares: Shares at which the gradient is taken, ascending, above 0 and at most 1. Each stands
            for those that are nearest to it.

    Raises:
        UnsupportedModelError: If the task's sources cannot fade.
    """
    if not task.targets or not task.sources:
        return torch.zeros(len(task.targets), len(task.sources))
    # A caller may be recording attention without gradients, which inference mode forbids.
    with torch.inference_mode(False), torch.enable_grad():
        text = FadingText.of(task)
        # One after another: together they would take as long, and memory for all at once.
        slopes = torch.stack([_slopes(text, task, share) for share in shares], dim=1)
    return _widths(shares) @ slopes


def _slopes(text: FadingText, task: AttributionTask, share: float) -> Tensor:
    """Return (targets, sources): gradients of targets where all sources are paid one share."""
    paid = torch.full((1, len(task.sources)), share, requires_grad=True)
    answer = task.ids[task.prompt_length :]
    log_p = answer_log_probabilities(text.logits(paid, len(answer)), answer)[0]
    last = len(task.targets) - 1
    slopes = [
        torch.autograd.grad(log_p[start:end].sum(), paid, retain_graph=target < last)[0][0]
        for target, (start, end) in enumerate(task.targets)
    ]
    return torch.stack(slopes)


def gradient_cost(task: AttributionTask, shares: Sequence[float] = SHARES) -> float:
    """Return how many passes over the whole text :func:`effects_by_gradient` takes.

    By tokens that are run, and a backward pass for each target as much as a forward pass.

    Args:
        task: The answer to explain.
        shares: Shares at which the gradient is taken.
    """
    tokens = len(task.ids) - 1
    runs = len(shares) * (1 + len(task.targets)) if task.sources and task.targets else 0
    return runs * (tokens - task.behind_sources) / tokens


def sources_can_fade(task: AttributionTask) -> bool:
    """Return whether attention to a task's sources can fade on its model.

    Not where what the model remembers of a text cannot be copied, or it takes no mask that is
    between seeing and not.
    """
    return can_fade(task.model) and task.ablator_with((), by="knockout").can_hide


def _widths(shares: Sequence[float]) -> Tensor:
    """Return (shares,): how wide the range is that each stands for."""
    told = torch.tensor(shares)
    between = (told[1:] + told[:-1]) / 2
    return torch.cat([torch.zeros(1), between, torch.ones(1)]).diff()


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
    # No gradient passes weights that were made in inference mode; and flex attention masks by
    # blocks, and compiles for each that is new.
    made_for_inference = any(weight.is_inference() for weight in model.parameters())
    if made_for_inference or "flex" in (model.config._attn_implementation or ""):
        return False
    tokens = torch.arange(1, _TOKENS + 1) * 7 % vocabulary_size(model)
    beginning = _beginning(model, tokens[:_READ])
    if beginning is None:
        return False
    text = FadingText(model, tokens, _FADING, beginning, _READ)
    visible = torch.ones(2, _TOKENS, dtype=torch.long)
    visible[1, _FADING[0][0] : _FADING[-1][1]] = 0
    try:
        found = text.logits(torch.tensor([[1.0, 1.0], [1e-30, 1e-30]]), 1)
    except (RuntimeError, ValueError, TypeError):
        return False
    return agrees(found, text.run(visible, 1), model.dtype)
