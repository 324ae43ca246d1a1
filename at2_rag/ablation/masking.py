"""What removing sources really does to an answer: ground truth for every score (section 2).

A source is ablated by masking its tokens out of attention, in all layers, positions unchanged
(section 3.2, implementation details). Where that is the same, they are left out of the pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from transformers import PreTrainedModel

from at2_rag.ablation.effects import (
    AblationEffects,
    ablation_effects,
    checked_effects,
    token_logits,
)
from at2_rag.ablation.passes import last_logits
from at2_rag.ablation.reuse import (
    Beginning,
    can_reuse,
    first_pass,
    logits_behind_beginning,
    shared_beginnings,
    unmasked_beginnings,
)
from at2_rag.ablation.skipping import can_skip, pack, staying
from at2_rag.errors import InputError, UnsupportedModelError
from at2_rag.model_facts import input_device, vocabulary_size
from at2_rag.spans import Span

#: Working memory for one batch of ablations, in bytes: logits, and copies of keys and values.
DEFAULT_BYTE_LIMIT = 256 * 2**20

#: Tokens of one batch on a processor. Beyond, what one layer hands to the next leaves the caches:
#: 64 ablations of the demo reader took 1.4 seconds in batches of 32, and 3.1 all at once.
_CPU_TOKENS = 4096

#: A batch of its own takes about as long as so many more tokens in another.
_PASS_COST = 256


@dataclass(frozen=True)
class Ablator:
    """Ablates sources of one prompt and answer.

    Attributes:
        model: The reader's model.
        ids: Token ids of prompt and answer.
        prompt_length: How many tokens come before the answer.
        sources: Token range of each source in ``ids``.
        byte_limit: Bound on the logits of one batch of ablations, and on its copies of keys and
            values, in bytes.
        known: What the model remembers of the text from an earlier pass, of all that comes before
            the answer; ``None`` to make a pass where one spares something.
        hidden_from: Position of the first token that ablated sources are hidden from, behind all of
            them and no later than the answer's first: what is before it stays as it was read with
            all sources. ``None`` to hide them from every token.
    """

    model: PreTrainedModel
    ids: Sequence[int]
    prompt_length: int
    sources: Sequence[Span]
    byte_limit: int = DEFAULT_BYTE_LIMIT
    known: Beginning | None = field(default=None, compare=False, repr=False)
    hidden_from: int | None = None

    def __post_init__(self) -> None:
        check_prompt_length(self.prompt_length, len(self.ids))

    @torch.inference_mode()
    def ablate(self, masks: Tensor) -> AblationEffects:
        """Run the model once per mask, each from the first source that is left out.

        What comes before is the same as with nothing left out: one pass over the whole text has it,
        an earlier one or one of its own, where the model allows that and it spares something.

        Args:
            masks: (ablations, sources), true (or 1) where a source is kept.

        Raises:
            InputError: If the masks are not of that shape.
            NumericalError: If the model produced NaN.
            UnsupportedModelError: If sources are to be hidden from some tokens only, and what the
                model remembers of a text cannot be reused.
        """
        plan = self._plan(masks)
        try:
            if not plan.read:
                return self._run(plan, self.known if plan.begins.any() else None)
            # What is read is a beginning without the answer, unless nothing is left out somewhere.
            rows = self._rows if plan.read == len(self._tokens) else 1
            first = first_pass(self.model, self._tokens[: plan.read], rows)
            assert first is not None  # or it cannot be reused
            return self._run(plan, first.beginning, first.logits)
        except torch.OutOfMemoryError:  # the cache and its copies take room as well
            if not plan.begins.any() or self.hidden_from is not None:
                raise
        return self._run(self._plan(masks, reuse=False), None)

    def cost(self, masks: Tensor) -> float:
        """Return how many passes over the whole text ablating takes, by tokens that are run.

        What was known or is not run again counts nothing, and neither does padding.

        Args:
            masks: As for :meth:`ablate`.

        Raises:
            InputError: If the masks are not of that shape.
            UnsupportedModelError: As for :meth:`ablate`.
        """
        plan = self._plan(masks)
        return (plan.read + sum(plan.lengths)) / len(self._tokens)

    @property
    def _tokens(self) -> Tensor:
        # The last token predicts nothing that is wanted.
        return torch.tensor(list(self.ids[:-1]))

    @property
    def _rows(self) -> int:
        return len(self.ids) - self.prompt_length

    def _plan(self, masks: Tensor, *, reuse: bool = True) -> _Plan:
        check_masks(masks, len(self.sources))
        visible = self._token_mask(masks.bool())
        begins, read = torch.zeros(len(visible), dtype=torch.long), 0
        if not self.can_hide:
            raise UnsupportedModelError(
                f"Sources cannot be hidden from the end of the text alone with "
                f"{type(self.model).__name__}: what it remembers of a text cannot be copied, as "
                "with layers other than attention. Ablate by='attention'."
            )
        if reuse and can_reuse(self.model):
            begins, read = self._begins(visible)
        # Behind a beginning, tokens lie further apart by as much as another text's is longer.
        skipping = can_skip(self.model, visible.shape[1] * (2 if begins.any() else 1))
        stays = staying(visible, self.prompt_length - 1, begins, skipping=skipping)
        return _Plan(visible, begins, stays.sum(dim=1).tolist(), read, skipping)

    @property
    def can_hide(self) -> bool:
        """Whether sources can be hidden from what :attr:`hidden_from` says on this model."""
        return self.hidden_from is None or can_reuse(self.model)

    @property
    def workable(self) -> Ablator:
        """This, or on a model that it cannot be on, what hides sources from every token."""
        return self if self.can_hide else replace(self, hidden_from=None)

    def _begins(self, visible: Tensor) -> tuple[Tensor, int]:
        """Return (ablations,), from which token on each is run, and how many are read first."""
        first_row, tokens = self.prompt_length - 1, visible.shape[1]
        if self.hidden_from is not None:
            whole = tokens if self.known is None else first_row
            ablated = (visible == 0).any(dim=1)
            begins = torch.where(ablated, min(self.hidden_from, first_row), whole)
        elif self.known is None:
            begins = shared_beginnings(visible, first_row)
        else:
            begins = unmasked_beginnings(visible, first_row, first_row)
        return begins, int(begins.max()) if self.known is None and len(begins) else 0

    def _run(
        self, plan: _Plan, beginning: Beginning | None, whole: Tensor | None = None
    ) -> AblationEffects:
        """Run what is left to run.

        Args:
            plan: What to run.
            beginning: What to go on from; ``None`` where that is nothing.
            whole: (rows, vocabulary): logits with nothing left out; ``None`` where they are to be
                computed or not wanted.
        """
        answer, rows = self.ids[self.prompt_length :], self._rows
        left = [index for index, length in enumerate(plan.lengths) if length]
        held = 0 if beginning is None else beginning.token_bytes * len(self._tokens)
        most = batch_within(self.byte_limit, self.model, rows, held)

        def run(batch: list[int]) -> Tensor:
            places = [left[index] for index in batch]
            return token_logits(self._logits(plan, beginning, places), answer)

        lengths = [plan.lengths[index] for index in left]
        # Tails differ in length by as much as the places of what is left out. Where windows slide,
        # those of one length go together, which have one beginning: no token lies further apart.
        padding = None if beginning is None else _PASS_COST if plan.skipping else 0
        tails = ablation_effects(
            run, lengths, rows, most, max_tokens=longest_batch(self.model), max_padding=padding
        )
        if whole is None or len(left) == len(plan.lengths):
            return tails
        logits = token_logits(whole[None], answer).repeat(len(plan.lengths), 1)
        logits[left] = tails.token_logits
        return checked_effects(logits)

    def _logits(self, plan: _Plan, beginning: Beginning | None, batch: list[int]) -> Tensor:
        """Return (batch, rows, vocabulary): logits of the rows that are wanted."""
        visible, begins, first_row = plan.visible[batch], plan.begins[batch], self.prompt_length - 1
        packed = pack(self._tokens, visible, first_row, begins, skipping=plan.skipping)
        if beginning is None or not begins.any():
            return last_logits(self.model, *packed, self._rows)
        return logits_behind_beginning(self.model, packed, self._rows, beginning, begins, visible)

    def _token_mask(self, masks: Tensor) -> Tensor:
        """Return (ablations, tokens): 0 at every token of a source that is not kept."""
        visible = torch.ones(len(masks), len(self.ids) - 1, dtype=torch.long)
        for (start, end), column in zip(self.sources, masks.T, strict=True):
            visible[:, start:end] *= column.long()[:, None]
        return visible


@dataclass(frozen=True)
class _Plan:
    """What is to be run.

    Attributes:
        visible: (ablations, tokens): 0 at every token of a source that is not kept.
        begins: (ablations,): from which token on each is run.
        lengths: How many tokens of each are run; none where the pass over the whole text says all.
        read: How many tokens of the whole text are run first, for the others to go on from.
        skipping: Whether masked tokens are left out.
    """

    visible: Tensor
    begins: Tensor
    lengths: list[int]
    read: int
    skipping: bool


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


def batch_within(byte_limit: int, model: PreTrainedModel, rows: int, held: int = 0) -> int:
    """Return how many texts, at least 1, to run at a time.

    Args:
        byte_limit: Bound on what a batch of texts takes, in bytes.
        model: The model that the texts are run on.
        rows: How many tokens of each text have logits that are wanted.
        held: How much room each text takes beside its logits, in bytes.
    """
    return max(1, byte_limit // (4 * vocabulary_size(model) * rows + held))


def longest_batch(model: PreTrainedModel) -> int | None:
    """Return how many tokens a batch has at most; ``None`` for any number."""
    return _CPU_TOKENS if input_device(model).type == "cpu" else None


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
    return token_logits(last_logits(model, tokens, visible, positions, len(answer)), answer)


def each_alone(sources: Tensor) -> Tensor:
    """Return (1 + ablations, sources) masks: everything kept, then all but one source each.

    Args:
        sources: (sources,), true where a source is to be left out by itself.
    """
    count = len(sources)
    alone = torch.eye(count, dtype=torch.bool)[sources]
    return torch.cat([torch.ones(1, count, dtype=torch.bool), ~alone])


def random_masks(count: int, sources: int, seed: int) -> Tensor:
    """Return (count, sources) masks that keep each source with probability ½ (section 3.2)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, sources, generator=generator) < 0.5
