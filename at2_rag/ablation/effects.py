"""Effects: how probable an answer's tokens are under each of several ablations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from at2_rag.batching import in_batches
from at2_rag.errors import NumericalError
from at2_rag.spans import Span


@dataclass(frozen=True)
class AblationEffects:
    """Probabilities of an answer under ablations.

    Everything is in double precision, and finite however close to 0 or 1 a probability is.

    Attributes:
        token_logits: (ablations, answer tokens): log p / (1 - p) of each token of the answer, in
            logits.
    """

    token_logits: Tensor

    @property
    def token_log_probabilities(self) -> Tensor:
        """Return (ablations, answer tokens), in nats."""
        return -torch.nn.functional.softplus(-self.token_logits)

    def log_probability(self, start: int, end: int) -> Tensor:
        """Return (ablations,): of the answer's tokens [start, end) together, in nats."""
        return self.token_log_probabilities[:, start:end].sum(dim=1)

    def log_probabilities(self, targets: Sequence[Span]) -> Tensor:
        """Return (targets, ablations): of each range of the answer's tokens together, in nats."""
        rows = [self.log_probability(start, end) for start, end in targets]
        return (
            torch.stack(rows)
            if rows
            else self.token_log_probabilities.new_zeros(0, len(self.token_logits))
        )

    def logit(self, start: int, end: int) -> Tensor:
        """Return (ablations,): log p / (1 - p) of the tokens [start, end) together."""
        log_p = self.log_probability(start, end)
        return log_p - torch.log(-torch.expm1(log_p))


def ablation_effects(
    run: Callable[[list[int]], Tensor],
    lengths: Sequence[int],
    rows: int,
    most: int,
    *,
    max_tokens: int | None = None,
    max_padding: int | None = None,
) -> AblationEffects:
    """Run ablations in batches of like length, in smaller ones once memory is short.

    Args:
        run: Returns (batch, answer tokens) logits of a batch of ablations, given their indices.
        lengths: How many tokens each ablation's pass takes.
        rows: How many tokens the answer has.
        most: How many ablations to run at a time at first.
        max_tokens: How many tokens a batch has at most, padding included; ``None`` for any number.
        max_padding: How many of these are padding at most; ``None`` for any number.

    Raises:
        NumericalError: If the model produced NaN.
    """
    none = torch.zeros(0, rows, dtype=torch.float64)
    found = in_batches(lengths, run, most=most, max_tokens=max_tokens, max_padding=max_padding)
    return checked_effects(torch.cat([none, *(row[None] for row in found)]))


def checked_effects(logits: Tensor) -> AblationEffects:
    """Return effects of ablations.

    Args:
        logits: (ablations, answer tokens): log p / (1 - p) of each token of the answer, in logits.

    Raises:
        NumericalError: If the model produced NaN.
    """
    if bool(torch.isnan(logits).any()):
        raise NumericalError("The model's logits became NaN under ablation.")
    return AblationEffects(logits)


def answer_log_probabilities(logits: Tensor, answer: Sequence[int]) -> Tensor:
    """Return log-probabilities of an answer's tokens, in nats, with the graph behind them.

    Args:
        logits: (…, answer tokens, vocabulary): the model's logits.
        answer: Token ids of the answer.

    Returns:
        (…, answer tokens), on the logits' device.
    """
    # Half-precision logits are too coarse for a sum over the vocabulary.
    wide = logits if logits.dtype == torch.float64 else logits.float()
    ids = torch.tensor(list(answer), device=logits.device)
    return wide.log_softmax(-1).gather(-1, ids.expand(wide.shape[:-1])[..., None])[..., 0]


def token_logits(logits: Tensor, answer: Sequence[int]) -> Tensor:
    """Return log p / (1 - p) of an answer's tokens: their logit less that of all others together.

    Args:
        logits: (texts, answer tokens, vocabulary): the model's logits.
        answer: Token ids of the answer.

    Returns:
        (texts, answer tokens), in double precision on the CPU.
    """
    targets = torch.tensor(list(answer), device=logits.device)
    index = targets.expand(len(logits), -1)[..., None]
    wanted = logits.gather(-1, index)[..., 0].double()
    others = logits.float().scatter(-1, index, float("-inf")).logsumexp(-1).double()
    return (wanted - others).cpu()
