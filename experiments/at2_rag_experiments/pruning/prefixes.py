"""Answers to prompts that begin alike: their common beginnings are read once."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any

import torch
from at2_rag.answering.thoughts_in_tokens import find_thoughts
from at2_rag.answering.written import decode_written
from at2_rag.batching import in_length_batches
from at2_rag.documents.passages import Passage
from at2_rag.model.generate_options import end_ids, generate_options
from at2_rag.model_facts import few_logits, input_device
from at2_rag.prompt.maker import PromptMaker
from at2_rag.prompt.request import Request
from at2_rag.prompt.tokens import EncodedPrompt
from at2_rag.reader import Reader
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

#: A batch of its own takes about as long as so many more tokens in another.
_GROUP_COST = 100


@dataclass(frozen=True)
class SetAnswers:
    """What a model answers from several sets of the same passages.

    Attributes:
        texts: The answer from each set, in their order.
        prompt_tokens: How many tokens all prompts have.
        read_tokens: How many of these tokens the model had to read.
    """

    texts: list[str]
    prompt_tokens: int
    read_tokens: int


@torch.inference_mode()
def answers_from_sets(
    reader: Reader,
    question: str,
    passages: Sequence[Passage],
    sets: Sequence[tuple[int, ...]],
    **options: Any,
) -> SetAnswers:
    """Answer a question from each of several sets of its passages, without attribution.

    Sets that begin with the same passages have prompts that begin alike. Such a beginning is read
    once, and each of the prompts goes on from a copy of the cache. Models whose cache cannot be
    copied so read every prompt whole. The answers are those of ``reader.answer_batch``, up to
    rounding that can choose between tokens as likely as each other.

    Args:
        reader: The reader that answers.
        question: The question to answer.
        passages: All passages that the sets are of.
        sets: Indices of the passages to show, in order.
        options: Settings and options of generation, as for ``reader.answer``.
    """
    settings, generate = reader.settings.override(options)
    request = Request(question, tuple(passages), settings=settings)
    maker = PromptMaker.of(reader.tokenizer, request)
    prompts = [maker.make(kept) for kept in sets]
    generate = generate_options(
        reader.model, {"max_new_tokens": settings.max_new_tokens, **generate}
    )
    runner = _Runner(reader.model, generate, settings.max_batch_tokens)
    found: dict[int, tuple[int, ...]] = {}
    for group in alike([prompt.ids for prompt in prompts]):
        found.update(zip(group, runner.run([prompts[i].ids for i in group]), strict=True))
    texts = [_response(maker, prompt, found[index]) for index, prompt in enumerate(prompts)]
    return SetAnswers(texts, sum(len(prompt.ids) for prompt in prompts), runner.read)


def alike(texts: Sequence[Sequence[int]], cost: int = _GROUP_COST) -> list[list[int]]:
    """Return groups of texts that begin alike, so that reading beginnings once saves most.

    In alphabetical order a group is a run of neighbours, and the runs before any text can be chosen
    without regard to those behind it.

    Args:
        texts: Token ids of each.
        cost: What a group of its own must save, in tokens.

    Returns:
        Indices of the texts of each group; each text is in one.
    """
    order = sorted(range(len(texts)), key=lambda index: tuple(texts[index]))
    shared = [common_beginning([texts[a], texts[b]]) for a, b in pairwise(order)]
    saved, begins = [0], [0]
    for end in range(1, len(order) + 1):
        # A run that begins here shares what all its neighbours share.
        runs = {
            begin: saved[begin] + min(shared[begin : end - 1], default=0) * (end - begin - 1) - cost
            for begin in range(end)
        }
        begins.append(max(runs, key=lambda begin: runs[begin]))
        saved.append(runs[begins[-1]])
    groups, end = [], len(order)
    while end:
        groups.append(order[begins[end] : end])
        end = begins[end]
    return groups


def common_beginning(texts: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all texts begin with alike, leaving each at least one of its own."""
    shortest = min(map(len, texts)) - 1
    pairs = zip(*(text[:shortest] for text in texts), strict=True)
    return sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, pairs))


def _response(maker: PromptMaker, prompt: EncodedPrompt, ids: tuple[int, ...]) -> str:
    """Return the text of what was written, without thoughts."""
    form = prompt.thought_format
    places = None if form is None else find_thoughts(maker.tokenizer, ids, form)
    written = decode_written(maker.tokenizer, ids, maker.request.settings.language, places)
    return written.response.text


class _Runner:
    """Generates behind prompts that begin alike.

    Attributes:
        read: How many tokens of prompts were read so far.

    Args:
        model: The model that writes.
        options: Options of ``model.generate``.
        max_tokens: Most tokens of a batch.
    """

    def __init__(self, model: PreTrainedModel, options: dict[str, Any], max_tokens: int) -> None:
        self.read = 0
        self._model, self._options, self._max_tokens = model, options, max_tokens
        self._ends = end_ids(model, options)

    def run(self, prompts: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Return the token ids written behind each prompt."""
        shared = common_beginning(prompts) if len(prompts) > 1 else 0
        cache = self._cache(prompts[0][:shared]) if shared else None
        if cache is None:
            shared = 0

        def batch(part: list[Sequence[int]]) -> list[tuple[int, ...]]:
            return self._generate(part, shared, cache)

        return in_length_batches(
            prompts, batch, self._max_tokens, int(self._options["max_new_tokens"])
        )

    def _cache(self, ids: Sequence[int]) -> DynamicCache | None:
        """Return what the model remembers of a text; ``None`` where it cannot be copied."""
        tokens = torch.tensor([ids], device=input_device(self._model))
        found = self._model(tokens, use_cache=True, **few_logits(self._model, 1)).past_key_values
        if type(found) is not DynamicCache or any(layer.is_sliding for layer in found.layers):
            return None
        self.read += len(ids)
        return found

    def _generate(
        self, prompts: Sequence[Sequence[int]], shared: int, cache: DynamicCache | None
    ) -> list[tuple[int, ...]]:
        pad = int(self._options["pad_token_id"])
        longest = max(map(len, prompts))
        padding = [longest - len(prompt) for prompt in prompts]
        # Padding comes behind what they share, so that it may be read once for all.
        rows = [
            [*prompt[:shared], *[pad] * missing, *prompt[shared:]]
            for prompt, missing in zip(prompts, padding, strict=True)
        ]
        device = input_device(self._model)
        place = torch.arange(longest)
        visible = (place < shared) | (place >= shared + torch.tensor(padding)[:, None])
        arguments = {**few_logits(self._model, 1), **self._options}
        if cache is not None:
            arguments["past_key_values"] = _repeated(cache, len(prompts))
        output: Tensor = self._model.generate(
            torch.tensor(rows, device=device),
            attention_mask=visible.long().to(device),
            **arguments,
        )
        self.read += sum(len(prompt) - shared for prompt in prompts)
        return [self._until_end(new) for new in output[:, longest:].tolist()]

    def _until_end(self, ids: list[int]) -> tuple[int, ...]:
        return tuple(takewhile(lambda token: token not in self._ends, ids))


def _repeated(cache: DynamicCache, times: int) -> DynamicCache:
    """Return a copy of the cache of one text, for several texts that begin with it."""
    copy = deepcopy(cache)
    copy.batch_repeat_interleave(times)
    return copy
