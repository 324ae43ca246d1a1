"""From a request to a reading: the model writes an answer, or reads one that is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from at2_rag.answering.given import GivenText
from at2_rag.answering.reading import Reading
from at2_rag.answering.stops import Stops
from at2_rag.answering.thoughts_in_tokens import find_thoughts
from at2_rag.answering.unread import Unread
from at2_rag.answering.written import Written, decode_written, encoded_written
from at2_rag.attention.layers import whole_cache
from at2_rag.batching import in_batches, in_length_batches
from at2_rag.errors import InputError, told_of
from at2_rag.estimators import ScoreEstimator, TokenAttention
from at2_rag.model.generate_options import stop_strings
from at2_rag.model.generation import EndsWith, Generation, Progress
from at2_rag.model.recorded_model import RecordedModel
from at2_rag.model_facts import context_length, input_device
from at2_rag.prompt.maker import PromptMaker
from at2_rag.prompt.request import Request
from at2_rag.prompt.thinking_markers import WrittenPlaces
from at2_rag.prompt.tokens import EncodedPrompt
from at2_rag.spans import Span

#: Of a batch of given answers, at most one token in so many is padding.
_LEAST_FULL = 16

#: A processor has its hands full with a pass over so many tokens; with more it was slower.
_MOST_ON_CPU = 1024


@dataclass(frozen=True)
class Unfinished:
    """An answer that the model is still writing; to be used before its next step only.

    Attributes:
        maker: What made the prompt of the request.
        prompt: The prompt that the model goes on from, as text and tokens.
        progress: What the model has written so far.
        stops: Strings that end the answer.
    """

    maker: PromptMaker
    prompt: EncodedPrompt
    progress: Progress
    stops: Stops

    def reading(
        self, tokens: int, statements: Sequence[Span], places: WrittenPlaces | None = None
    ) -> Reading:
        """Return the answer's first tokens, as they will be in the finished reading.

        Args:
            tokens: How many of the tokens written so far to take, from the first on.
            statements: Characters of each statement of the response that has ended within these
                tokens.
            places: Which tokens are thoughts and response; ``None`` without thoughts.
        """
        if places is not None:
            places = replace(places, response=(places.response[0], tokens))
        written = self.progress.first(tokens)
        return _reading(self.maker, self.prompt, written, self.stops, places, statements)


#: Called after each step with the answer so far; with ``None`` where there is none to see.
Watch = Callable[[Unfinished | None], None]


@dataclass(frozen=True)
class Shown:
    """A request, and which of its passages the model is to see.

    Attributes:
        request: The question, with its passages and settings.
        passages: Indices of the passages to show, in order.
    """

    request: Request
    passages: Sequence[int]

    @classmethod
    def whole(cls, request: Request) -> Shown:
        """Return a request with all of its passages that are to be shown."""
        return cls(request, request.to_show)


@dataclass(frozen=True)
class Engine:
    """A recorded model with its tokenizer.

    Attributes:
        recorded: The model, whose attention is folded while it runs.
        tokenizer: The model's tokenizer.
    """

    recorded: RecordedModel
    tokenizer: PreTrainedTokenizerBase

    def generate_reading(
        self, shown: Shown, weightings: Tensor, watch: Watch | None = None
    ) -> Reading:
        """Have the model write an answer.

        Args:
            shown: The question, and which of its passages to show.
            weightings: (weightings, layers, heads): what attention is weighted by.
            watch: Called after each step with the answer so far, or with ``None`` where the steps
                cannot be followed; what it raises ends the generation.

        Raises:
            ContextOverflowError: If the prompt does not fit.
            NumericalError: If the model produced NaN.
        """
        maker, prompt = self.prompt(shown)
        stops = self._stops(maker)

        def follow(progress: Progress | None) -> None:
            assert watch is not None
            watch(None if progress is None else Unfinished(maker, prompt, progress, stops))

        [generated] = self.recorded.generate(
            [prompt.ids],
            weightings,
            _generate_options(shown.request),
            None if watch is None else follow,
            until=self._until(stops),
            keep=shown.request.settings.runs_again,
        )
        return _generated_reading(maker, prompt, generated, stops)

    def generate_readings(self, asked: Sequence[Shown], weightings: Tensor) -> list[Reading]:
        """Have the model write several answers at a time.

        Args:
            asked: The questions, and which passages of each to show; all with the same settings and
                options of generation.
            weightings: (weightings, layers, heads): what attention is weighted by.

        Raises:
            ContextOverflowError: If a prompt does not fit.
            NumericalError: If the model produced NaN.
        """
        if not asked:
            return []
        prompts = []
        for index, shown in enumerate(asked):
            with told_of(f"questions[{index}]"):
                prompts.append(self.prompt(shown))
        options = _generate_options(asked[0].request)
        stops = self._stops(prompts[0][0])
        until = self._until(stops)
        generated = in_length_batches(
            [prompt.ids for _, prompt in prompts],
            lambda part: self.recorded.generate(part, weightings, options, until=until),
            asked[0].request.settings.max_batch_tokens,
            int(options["max_new_tokens"]),
        )
        return [
            _generated_reading(maker, prompt, found, stops)
            for (maker, prompt), found in zip(prompts, generated, strict=True)
        ]

    def read_given(
        self, shown: Shown, estimator: ScoreEstimator, answer: str, thoughts: str | None = None
    ) -> Reading:
        """Have the model read an answer in one pass.

        Args:
            shown: The question, and which of its passages to show.
            estimator: What attention is weighted by, and will be scored with.
            answer: The answer's text; a reasoning model's with markers and thoughts, or without.
            thoughts: What was thought before the answer; ``None`` if it is in the answer's text, or
                nothing was.

        Raises:
            InputError: If there is no text, or thoughts of a model that has no markers for them.
            ContextOverflowError: If it does not fit.
            NumericalError: If the model produced NaN.
        """
        return self._read(self.prepare(shown, GivenText(answer, thoughts)), estimator)

    def read_all_given(self, unread: Sequence[Unread], estimator: ScoreEstimator) -> list[Reading]:
        """Have the model read several answers at a time, those of like length together.

        Args:
            unread: What :meth:`prepare` returned for each, all with the same settings.
            estimator: What attention is weighted by, and will be scored with.

        Raises:
            NumericalError: If the model produced NaN.
        """
        if not unread:
            return []
        if unread[0].maker.request.settings.runs_again:  # goes on from what is remembered of each
            return [self._read(each, estimator) for each in unread]
        most = unread[0].maker.request.settings.max_batch_tokens
        if input_device(self.recorded.model).type == "cpu":
            most = min(most, _MOST_ON_CPU)

        def read(batch: Sequence[int]) -> list[TokenAttention]:
            texts = [unread[i].text for i in batch]
            ranges = [found for i in batch if (found := unread[i].ranges(estimator)) is not None]
            return self.recorded.read_batch(texts, estimator.weightings, ranges=ranges or None)

        attention = in_batches(
            [len(each.prompt.ids) for each in unread],
            read,
            max_tokens=most,
            max_padding=most // _LEAST_FULL,
        )
        return [each.reading(found) for each, found in zip(unread, attention, strict=True)]

    def _read(self, unread: Unread, estimator: ScoreEstimator) -> Reading:
        """Read one answer, and keep what the model remembers where that is of use."""
        keep = unread.maker.request.settings.runs_again
        cache = whole_cache(self.recorded.model) if keep else None
        ranges, weightings = unread.ranges(estimator), estimator.weightings
        return unread.reading(self.recorded.read(*unread.text, weightings, cache, ranges), cache)

    def prepare(self, shown: Shown, told: GivenText) -> Unread:
        """Return a given answer behind its prompt, as tokens that nobody has read yet.

        Args:
            shown: The question, and which of its passages to show.
            told: The answer's text and thoughts.

        Raises:
            InputError: If there is no text, or thoughts of a model that has no markers for them.
            ContextOverflowError: If it does not fit.
        """
        told.check()
        maker = PromptMaker.of(self.tokenizer, shown.request)
        if told.thoughts and maker.markers is None:
            raise InputError(
                "thoughts were given, and the model has no markers for them; expected such as "
                'thinking=ThinkingMarkers("<think>", "</think>").'
            )
        room = context_length(self.recorded.model)
        maker, passages = maker.shortened(shown.passages, room, told.behind)
        prompt = maker.fit(passages, room, told.behind)
        text = told.behind(prompt.thought_format)
        first = prompt.first_token_of_end(len(text))
        written = _read(maker, prompt, text, first)
        return Unread(maker, prompt, first, written, told.given(prompt.thought_format))

    def _stops(self, maker: PromptMaker) -> Stops:
        """Return what ends an answer beside the model's end token.

        Those are strings that somebody told, else what a model that continues plain text begins
        another turn with, which it would go on with for ever.
        """
        told = stop_strings(self.recorded.model, maker.request.generation)
        return Stops(maker.turns if told is None else told)

    def _until(self, stops: Stops) -> EndsWith | None:
        return partial(stops.reached, self.tokenizer) if stops.strings else None

    def prompt(self, shown: Shown) -> tuple[PromptMaker, EncodedPrompt]:
        """Return the prompt and what made it, cut down if need be so that an answer has room.

        Args:
            shown: The question, and which of its passages to show.

        Raises:
            ContextOverflowError: If the prompt does not fit.
        """
        maker = PromptMaker.of(self.tokenizer, shown.request)
        context = context_length(self.recorded.model)
        room = None if context is None else context - shown.request.settings.max_new_tokens
        maker, passages = maker.shortened(shown.passages, room)
        return maker, maker.fit(passages, room)


def _read(maker: PromptMaker, prompt: EncodedPrompt, text: str, first: int) -> Written:
    """Return what was tokenized together with a prompt.

    Args:
        maker: What made the prompt of the request.
        prompt: The prompt with the text behind it, as text and tokens.
        text: The text behind it, without a space that separates the two.
        first: Index of the text's first token.
    """
    begin = len(prompt.text) - len(text)
    offsets = [(start - begin, end - begin) for start, end in prompt.offsets[first:]]
    written = prompt.thought_format
    places = None if written is None else written.place_in(text)
    language = maker.request.settings.language
    return encoded_written(prompt.ids[first:], offsets, text, language, places)


def _generate_options(request: Request) -> dict[str, Any]:
    """Return options of ``model.generate``; strings that end an answer are looked for here."""
    return {
        "max_new_tokens": request.settings.max_new_tokens,
        **request.generation,
        "stop_strings": None,
    }


def _generated_reading(
    maker: PromptMaker, prompt: EncodedPrompt, generated: Generation, stops: Stops
) -> Reading:
    written, places = prompt.thought_format, None
    if written is not None:
        places = find_thoughts(maker.tokenizer, generated.ids, written)
    return _reading(maker, prompt, generated, stops, places)


def _reading(
    maker: PromptMaker,
    prompt: EncodedPrompt,
    generated: Generation,
    stops: Stops,
    places: WrittenPlaces | None,
    statements: Sequence[Span] | None = None,
) -> Reading:
    language = maker.request.settings.language
    written = decode_written(maker.tokenizer, generated.ids, language, places, statements, stops)
    return Reading(
        maker,
        prompt,
        len(prompt.ids),
        written,
        generated.attention,
        generated.truncated,
        cache=generated.cache,
    )
