"""Ablation by removing the text: what an answer becomes when sources are really not in the prompt.

An :class:`~at2_rag.ablation.masking.Ablator` masks the tokens of a source out of attention and
leaves all positions unchanged (paper, section 3.2). Here the prompt is made anew without them, as
by pruning: positions move, titles of passages go with them, and nothing hints that there was
something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from at2_rag.ablation.effects import AblationEffects, ablation_effects
from at2_rag.ablation.masking import (
    DEFAULT_BYTE_LIMIT,
    answer_token_logits,
    batch_within,
    check_masks,
    check_prompt_length,
    longest_batch,
)
from at2_rag.documents.passages import Passage
from at2_rag.documents.sources import Source
from at2_rag.errors import InputError
from at2_rag.prompt.maker import PromptMaker
from at2_rag.spans import Span, joined


class Shorter(Protocol):
    """Makes all that comes before an answer anew, with only some of its sources."""

    @property
    def num_sources(self) -> int:
        """How many sources can be left out."""

    def ids(self, kept: Sequence[bool]) -> tuple[int, ...]:
        """Return the token ids before the answer.

        Args:
            kept: (sources,), true where a source is kept.
        """


@dataclass(frozen=True)
class ShorterPrompts:
    """Makes a prompt anew with only some of its sources.

    Attributes:
        maker: Makes the prompt, whole or not.
        shown: Indices of the passages that the whole prompt shows, in order.
        sources: What can be left out of the shown passages and of the maker's other documents, in
            order.
        answer: The answer where it was tokenized together with the prompt, without white space
            around it; empty where the model went on from the prompt's tokens.
    """

    maker: PromptMaker
    shown: tuple[int, ...]
    sources: tuple[Source, ...]
    answer: str = ""

    @property
    def num_sources(self) -> int:
        """How many sources can be left out."""
        return len(self.sources)

    def documents(self, kept: Sequence[bool]) -> dict[int, Passage]:
        """Return what is left of the shown passages and of the other documents, by index, in order.

        A passage of which no source is kept is not there, and neither is its title. One of which
        all are kept is as it was. Any other loses its dropped sources and what stands beside them.
        So does another document, which stays without text where no source of it is kept.

        Args:
            kept: (sources,), true where a source is kept.
        """
        documents = self.maker.request.documents
        others = documents.indices("conversation")
        places: dict[int, list[_Place]] = {index: [] for index in (*self.shown, *others)}
        for source, keep in zip(self.sources, kept, strict=True):
            places[source.passage_index].append(_Place(source.start, source.end, keep))
        left: dict[int, Passage] = {}
        for index, found in places.items():
            document = documents.items[index]
            if all(place.kept for place in found):  # or there is nothing to leave out
                left[index] = document
            elif any(place.kept for place in found):
                left[index] = replace(document, text=_shortened(document.text, found))
            elif index in others:
                # Templates refuse a conversation whose turns do not alternate, or in which a call
                # has no result; and without the message they write others another way.
                left[index] = replace(document, text="")
        return left

    def ids(self, kept: Sequence[bool]) -> tuple[int, ...]:
        """Return the token ids of the prompt, up to the answer.

        Without any passage the template is filled with nothing in their place, so that the
        question, the instructions and all that surrounds them stay.

        Args:
            kept: (sources,), true where a source is kept.
        """
        left, request = self.documents(kept), self.maker.request
        others = [left[index] for index in request.documents.indices("conversation")]
        passages = tuple(left.get(i, passage) for i, passage in enumerate(request.passages))
        shown = [index for index in self.shown if index in left]
        shorter = replace(self.maker, request=replace(request, passages=passages))
        prompt = shorter.make(shown, lambda _: self.answer, others)
        if not self.answer:
            return prompt.ids
        return prompt.ids[: prompt.first_token_of_end(len(self.answer))]


class _Place(NamedTuple):
    """Where a source stands in a passage's text, and whether it stays."""

    start: int
    end: int
    kept: bool


def _shortened(text: str, places: Sequence[_Place]) -> str:
    """Return a text without the places that are not kept.

    What stands between two kept neighbours stays, and so does what stands before the first source
    and behind the last, if these are kept.
    """
    stretches: list[Span] = []
    last = len(places) - 1
    for kept, run in groupby(range(len(places)), key=lambda index: places[index].kept):
        if kept:
            indices = list(run)
            start = places[indices[0]].start if indices[0] else 0
            end = places[indices[-1]].end if indices[-1] < last else len(text)
            # Tokens can share a character, which comes with the first that is kept.
            start = max(start, stretches[-1][1] if stretches else 0)
            stretches.append((start, max(start, end)))
    return joined(text, stretches)


@dataclass(frozen=True)
class RemovalAblator:
    """Ablates sources of one prompt and answer by removing their text.

    Attributes:
        model: The reader's model.
        ids: Token ids of prompt and answer; those of the answer are never changed.
        prompt_length: How many tokens come before the answer.
        prompts: Makes the prompt without some sources.
        byte_limit: Bound on the logits of one batch of ablations, in bytes.
    """

    model: PreTrainedModel
    ids: Sequence[int]
    prompt_length: int
    prompts: Shorter
    byte_limit: int = DEFAULT_BYTE_LIMIT

    def __post_init__(self) -> None:
        check_prompt_length(self.prompt_length, len(self.ids))
        whole = self.prompts.ids([True] * self.prompts.num_sources)
        if whole != tuple(self.ids[: self.prompt_length]):
            raise InputError(
                f"The prompt made anew with all sources has {len(whole)} tokens and is not the one "
                f"that was answered, of {self.prompt_length} tokens; expected the same. Pass the "
                "maker, passages and answer that it was made with."
            )

    @torch.inference_mode()
    def ablate(self, masks: Tensor) -> AblationEffects:
        """Run the model once per distinct prompt.

        Args:
            masks: (ablations, sources), true (or 1) where a source is kept.

        Raises:
            InputError: If the masks are not of that shape.
            NumericalError: If the model produced NaN.
        """
        check_masks(masks, self.prompts.num_sources)
        kept = [tuple(row) for row in masks.bool().tolist()]
        prompt_of = {row: self.prompts.ids(row) for row in set(kept)}
        prompts = sorted(set(prompt_of.values()))
        answer = self.ids[self.prompt_length :]
        rows = len(answer)
        lengths = [len(prompt) + rows for prompt in prompts]
        effects = ablation_effects(
            lambda batch: logits_behind(self.model, [prompts[index] for index in batch], answer),
            lengths,
            rows,
            batch_within(self.byte_limit, self.model, rows),
            max_tokens=longest_batch(self.model),
        )
        place = {ids: index for index, ids in enumerate(prompts)}
        return AblationEffects(effects.token_logits[[place[prompt_of[row]] for row in kept]])


def logits_behind(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], answer: Sequence[int]
) -> Tensor:
    """Run one answer behind several prompts, padded to the longest.

    Args:
        model: The model that the answer is run on.
        prompts: Token ids of each prompt.
        answer: Token ids of the answer.

    Returns:
        (prompts, answer tokens): log p / (1 - p) of each token of the answer, in logits, in double
        precision on the CPU.
    """
    longest = max(map(len, prompts))
    padding = [longest - len(prompt) for prompt in prompts]
    # On the left, so that the answers end together. Which token pads is never seen. The last token
    # of the answer predicts nothing that is wanted.
    texts = [
        [*[answer[0]] * missing, *prompt, *answer[:-1]]
        for missing, prompt in zip(padding, prompts, strict=True)
    ]
    place = torch.arange(len(texts[0])) - torch.tensor(padding)[:, None]
    return answer_token_logits(
        model, torch.tensor(texts), (place >= 0).long(), place.clamp(min=0), answer
    )
