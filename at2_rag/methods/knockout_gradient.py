"""Attention knockout of all sources at once, by a gradient: what each of them holds up."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from at2_rag.ablation.fading import FadingText
from at2_rag.ablation.task import AttributionTask
from at2_rag.errors import InputError


@dataclass(frozen=True)
class KnockoutGradientMethod:
    """What a target's log-probability owes to attention to a source, in nats.

    :class:`KnockoutMethod` hides one source after another from what comes behind them all, with
    all others in place: of two that say the same, neither is missed. Here attention to all of them
    fades together, and a source's score is the gradient by its share of attention, integrated from
    no share to a whole one (integrated gradients, Sundararajan et al., arXiv 1703.01365, along
    attention knockout). So scores add up to what hiding all sources does, as far as the few
    ``shares`` at which the gradient is taken tell. Nothing is learned, and only the end of the text
    is run, however many sources there are: once for each share, and back once for each target.

    Attributes:
        shares: Shares of their attention that sources are paid where the gradient is taken,
            ascending, above 0 and at most 1. Each stands for the shares that are nearest to it. A
            model that is sure of what it copies is so until next to nothing is left to copy from;
            so one of them is small.
    """

    shares: tuple[float, ...] = (0.05, 0.3)

    def __post_init__(self) -> None:
        within = bool(self.shares) and all(0 < share <= 1 for share in self.shares)
        if not within or list(self.shares) != sorted(set(self.shares)):
            raise InputError(
                f"shares is {self.shares}; expected at least one number above 0 and at most 1, "
                "ascending."
            )

    @property
    def name(self) -> str:
        """``"knockout-gradient"``."""
        return "knockout-gradient"

    def scores(self, task: AttributionTask) -> Tensor:
        """Return (targets, sources).

        Raises:
            UnsupportedModelError: If the model's attention is not sdpa or eager, or it has sliding
                windows that are shorter than the text, or layers other than attention.
        """
        if not task.targets or not task.sources:
            return torch.zeros(len(task.targets), len(task.sources))
        # A caller may be recording attention without gradients, which inference mode forbids.
        with torch.inference_mode(False), torch.enable_grad():
            text = FadingText.of(task)
            shares = torch.tensor(self.shares)[:, None].repeat(1, len(task.sources))
            log_p = _log_probabilities(task, text, shares.requires_grad_())
            slopes = [
                torch.autograd.grad(
                    log_p[:, start:end].sum(), shares, retain_graph=target < len(task.targets) - 1
                )[0]
                for target, (start, end) in enumerate(task.targets)
            ]
        return self._widths @ torch.stack(slopes)

    @property
    def _widths(self) -> Tensor:
        """(shares,): how wide the range of shares is that each stands for."""
        shares = torch.tensor(self.shares)
        between = (shares[1:] + shares[:-1]) / 2
        return torch.cat([torch.zeros(1), between, torch.ones(1)]).diff()

    def forward_passes(self, task: AttributionTask) -> float:
        """Return 1, for the pass that reads the answer, and what is run of the end and back."""
        tokens = len(task.ids) - 1
        runs = len(self.shares) * (1 + len(task.targets)) if task.sources and task.targets else 0
        return 1.0 + runs * (tokens - task.behind_sources) / tokens


def _log_probabilities(task: AttributionTask, text: FadingText, shares: Tensor) -> Tensor:
    """Return (texts, answer tokens): log-probabilities in nats, with the graph behind them."""
    ids = torch.tensor(task.ids[task.prompt_length :])
    logits = text.logits(shares, len(ids))
    # Half-precision logits are too coarse for a sum over the vocabulary.
    wide = logits if logits.dtype == torch.float64 else logits.float()
    wanted = ids.to(logits.device).expand(len(shares), -1)[..., None]
    return wide.log_softmax(-1).gather(-1, wanted)[..., 0]
