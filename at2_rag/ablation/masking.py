"""What removing sources really does to an answer: ground truth for every score (section 2).

A source is ablated by masking its tokens out of attention, in all layers, positions unchanged
(section 3.2, implementation details). Where that is the same, they are left out of the pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from at2_rag.ablation.skipping import can_skip, pack
from at2_rag.batching import in_batches
from at2_rag.errors import InputError, NumericalError
from at2_rag.model_facts import few_logits, input_device, vocabulary_size
from at2_rag.spans import Span

#: Working memory for the logits of one batch of ablations, in bytes.
DEFAULT_BYTE_LIMIT = 256 * 2**20

#: Tokens of one batch on a processor. Beyond, what one layer hands to the next leaves the caches:
#: 64 ablations of the demo reader took 1.4 seconds in batches of 32, and 3.1 all at once.
_CPU_TOKENS = 4096


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

    def logit(self, start: int, end: int) -> Tensor:
        """Return (ablations,): log p / (1 - p) of the tokens [start, end) together."""
        log_p = self.log_probability(start, end)
        return log_p - torch.log(-torch.expm1(log_p))


@dataclass(frozen=True)
class Ablator:
    """Ablates sources of one prompt and answer.

    Attributes:
        model: The reader's model.
        ids: Token ids of prompt and answer.
        prompt_length: How many tokens come before the answer.
        sources: Token range of each source in ``ids``.
        byte_limit: Bound on the logits of one batch of ablations, in bytes.
    """

    model: PreTrainedModel
    ids: Sequence[int]
    prompt_length: int
    sources: Sequence[Span]
    byte_limit: int = DEFAULT_BYTE_LIMIT

    def __post_init__(self) -> None:
        check_prompt_length(self.prompt_length, len(self.ids))

    @torch.inference_mode()
    def ablate(self, masks: Tensor) -> AblationEffects:
        """Run the model once per mask.

        Args:
            masks: (ablations, sources), true (or 1) where a source is kept.

        Raises:
            InputError: If the masks are not of that shape.
            NumericalError: If the model produced NaN.
        """
        check_masks(masks, len(self.sources))
        visible = self._token_mask(masks.bool())
        rows = len(self.ids) - self.prompt_length
        lengths = visible.sum(dim=1).tolist()
        most = batch_within(self.byte_limit, self.model, rows, max(lengths, default=1))
        return ablation_effects(lambda batch: self._run(visible[batch]), lengths, rows, most)

    def _run(self, visible: Tensor) -> Tensor:
        # The last token predicts nothing that is wanted.
        tokens = torch.tensor(list(self.ids[:-1]))
        answer = self.ids[self.prompt_length :]
        if can_skip(self.model, len(tokens)):
            return answer_token_logits(
                self.model, *pack(tokens, visible, self.prompt_length - 1), answer
            )
        shape = len(visible), -1
        positions = torch.arange(len(tokens)).expand(shape)
        return answer_token_logits(self.model, tokens.expand(shape), visible, positions, answer)

    def _token_mask(self, masks: Tensor) -> Tensor:
        """Return (ablations, tokens): 0 at every token of a source that is not kept."""
        visible = torch.ones(len(masks), len(self.ids) - 1, dtype=torch.long)
        for (start, end), column in zip(self.sources, masks.T, strict=True):
            visible[:, start:end] *= column.long()[:, None]
        return visible


def check_prompt_length(prompt_length: int, tokens: int) -> None:
    """Raise ``InputError`` unless ``tokens`` hold a prompt and an answer."""
    if not 0 < prompt_length < tokens:
        raise InputError(
            f"prompt_length is {prompt_length} of {tokens} tokens; expected a prompt and an "
            "answer of at least one token each."
        )


def check_masks(masks: Tensor, sources: int) -> None:
    """Raise ``InputError`` unless masks are (ablations, sources)."""
    if masks.dim() != 2 or masks.shape[1] != sources:
        raise InputError(
            f"masks have the shape {tuple(masks.shape)}; expected (ablations, {sources}), one "
            "column per source."
        )


def batch_within(byte_limit: int, model: PreTrainedModel, rows: int, tokens: int) -> int:
    """Return how many texts, at least 1, to run at a time.

    Args:
        byte_limit: Bound on the logits of one batch of texts, in bytes.
        model: The model that the texts are run on.
        rows: How many tokens of each text have logits that are wanted.
        tokens: How many tokens the longest text has.
    """
    texts = byte_limit // (4 * vocabulary_size(model) * rows)
    if input_device(model).type == "cpu":
        texts = min(texts, _CPU_TOKENS // tokens)
    return max(1, texts)


def ablation_effects(
    run: Callable[[list[int]], Tensor], lengths: Sequence[int], rows: int, most: int
) -> AblationEffects:
    """Run ablations in batches of like length, in smaller ones once memory is short.

    Args:
        run: Returns (batch, answer tokens) logits of a batch of ablations, given their indices.
        lengths: How many tokens each ablation's pass takes.
        rows: How many tokens the answer has.
        most: How many ablations to run at a time at first.

    Raises:
        NumericalError: If the model produced NaN.
    """
    none = torch.zeros(0, rows, dtype=torch.float64)
    logits = torch.cat([none, *(row[None] for row in in_batches(lengths, run, most=most))])
    if bool(torch.isnan(logits).any()):
        raise NumericalError("The model's logits became NaN under ablation.")
    return AblationEffects(logits)


def answer_token_logits(
    model: PreTrainedModel,
    tokens: Tensor,
    visible: Tensor,
    positions: Tensor,
    answer: Sequence[int],
) -> Tensor:
    """Run several texts that end in the same answer.

    Args:
        model: The model that the texts are run on.
        tokens: (texts, tokens): prompt and answer without its last token.
        visible: (texts, tokens): 0 at tokens that no other may attend to, else 1.
        positions: (texts, tokens): position of each token; 0 at padding.
        answer: Token ids of the answer.

    Returns:
        (texts, answer tokens): log p / (1 - p) of each token of the answer, in logits, in double
        precision on the CPU.
    """
    device = input_device(model)
    rows = len(answer)
    logits = model(
        input_ids=tokens.to(device),
        attention_mask=visible.to(device),
        position_ids=positions.to(device),
        use_cache=False,
        **few_logits(model, rows),
    ).logits[:, -rows:]
    return _token_logits(logits, torch.tensor(list(answer), device=device)).cpu()


def _token_logits(logits: Tensor, targets: Tensor) -> Tensor:
    """Return log p / (1 - p) of the targets: their logit less that of all others together.

    Args:
        logits: (ablations, answer tokens, vocabulary): the model's logits.
        targets: (answer tokens,): token ids of the answer.
    """
    index = targets.expand(len(logits), -1)[..., None]
    wanted = logits.gather(-1, index)[..., 0].double()
    others = logits.float().scatter(-1, index, float("-inf")).logsumexp(-1).double()
    return wanted - others


def random_masks(count: int, sources: int, seed: int) -> Tensor:
    """Return (count, sources) masks that keep each source with probability ½ (section 3.2)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, sources, generator=generator) < 0.5
