"""From a prompt to a reading: the model answers it, or reads an answer that is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from transformers import PreTrainedTokenizerBase

from at2_rag.answering.reading import Reading
from at2_rag.answering.thoughts_in_tokens import find_thoughts
from at2_rag.answering.written import decode_written, encoded_written
from at2_rag.batching import in_length_batches
from at2_rag.documents.conversation import Conversation
from at2_rag.errors import InputError
from at2_rag.model.recorded_model import Generation, Progress, RecordedModel
from at2_rag.prompt.maker import PromptMaker
from at2_rag.prompt.thinking_markers import ThinkingMarkers, WrittenPlaces, thinking_markers
from at2_rag.prompt.tokens import EncodedPrompt
from at2_rag.spans import Span


@dataclass(frozen=True)
class Unfinished:
    """An answer that the model is still writing; to be used before its next step only.

    Attributes:
        maker: Of the prompt.
        prompt: The prompt.
        progress: What it has written so far.
    """

    maker: PromptMaker
    prompt: EncodedPrompt
    progress: Progress

    def reading(
        self, tokens: int, statements: Sequence[Span], places: WrittenPlaces | None = None
    ) -> Reading:
        """Return the answer's first tokens, as they will be in the finished reading.

        Args:
            tokens: How many of all that was written.
            statements: Characters of each statement of the response that has ended within them.
            places: Which tokens are thoughts and response; ``None`` without thoughts.
        """
        if places is not None:
            places = replace(places, response=(places.response[0], tokens))
        return _reading(self.maker, self.prompt, self.progress.first(tokens), places, statements)


@dataclass(frozen=True)
class Engine:
    """A recorded model with its tokenizer.

    Attributes:
        recorded: The model.
        tokenizer: Its tokenizer.
    """

    recorded: RecordedModel
    tokenizer: PreTrainedTokenizerBase

    def answer(
        self,
        maker: PromptMaker,
        shown: Sequence[int],
        generate: dict[str, Any],
        watch: Callable[[Unfinished | None], None] | None = None,
    ) -> Reading:
        """Have the model answer.

        Args:
            maker: Makes the prompt.
            shown: Indices of the passages to show, in order.
            generate: Options of ``model.generate``.
            watch: Called after each step with the answer so far, or with ``None`` where the steps
                cannot be followed; what it raises ends the generation.
        """
        prompt, options = self._prompt(maker, shown), _with_length(maker, generate)

        def follow(progress: Progress | None) -> None:
            assert watch is not None
            watch(None if progress is None else Unfinished(maker, prompt, progress))

        followed = None if watch is None else follow
        [generated] = self.recorded.generate([prompt.ids], options, followed)
        return _generated_reading(maker, prompt, generated)

    def answer_batch(
        self,
        asked: Sequence[tuple[PromptMaker, Sequence[int]]],
        generate: dict[str, Any],
    ) -> list[Reading]:
        """Have the model answer several at a time.

        Args:
            asked: What makes each prompt, all with the same settings, and the indices of the
                passages to show.
            generate: Options of ``model.generate``.

        Raises:
            ContextOverflowError: If a prompt does not fit.
        """
        prompts = [self._prompt(maker, shown) for maker, shown in asked]
        if not prompts:
            return []
        first = asked[0][0]
        options = _with_length(first, generate)
        room = int(options["max_new_tokens"])
        ids = [prompt.ids for prompt in prompts]
        generated = in_length_batches(
            ids,
            lambda part: self.recorded.generate(part, options),
            first.settings.max_batch_tokens,
            room,
        )
        return [
            _generated_reading(maker, prompt, found)
            for (maker, _), prompt, found in zip(asked, prompts, generated, strict=True)
        ]

    def read(
        self, maker: PromptMaker, shown: Sequence[int], answer: str, thoughts: str | None = None
    ) -> Reading:
        """Have the model read an answer in one pass.

        Args:
            maker: Makes the prompt.
            shown: Indices of the passages to show, in order.
            answer: The answer's text; a reasoning model's with markers and thoughts, or without.
            thoughts: What was thought before it.

        Raises:
            InputError: If there is no text, or thoughts of a model that has no markers for them.
            ContextOverflowError: If it does not fit.
        """
        if not isinstance(answer, str) or not (answer.strip() or thoughts):
            raise InputError(f"answer is {answer!r}; expected text to cite.")
        text, opened = answer.strip(), False
        markers = markers_of(maker)
        if markers is not None:
            opened = is_opened(markers, maker, maker.make(shown[:1]))
            text = _as_written(markers, text, thoughts, opened)
        elif thoughts:
            raise InputError(
                "thoughts were given, and the model has no markers for them; expected such as "
                'thinking=ThinkingMarkers("<think>", "</think>").'
            )
        prompt = maker.fit(shown, self._context_length, text)
        begin, first = len(prompt.text) - len(text), prompt.first_token_of_end(len(text))
        ids = prompt.ids[first:]
        offsets = [(start - begin, end - begin) for start, end in prompt.offsets[first:]]
        places = None if markers is None else markers.place_in(text, opened)
        written = encoded_written(ids, offsets, text, maker.settings.language, places)
        attention = self.recorded.read(prompt.ids[:first], ids)
        return Reading(maker, prompt, first, written, attention, truncated=False)

    def _prompt(self, maker: PromptMaker, shown: Sequence[int]) -> EncodedPrompt:
        """Return the prompt, cut down if need be so that an answer has room."""
        longest = maker.settings.max_new_tokens
        room = None if self._context_length is None else self._context_length - longest
        return maker.fit(shown, room)

    @property
    def _context_length(self) -> int | None:
        config = self.recorded.model.config.get_text_config()
        length = getattr(config, "max_position_embeddings", None)
        return int(length) if length else None


def _with_length(maker: PromptMaker, generate: dict[str, Any]) -> dict[str, Any]:
    return {"max_new_tokens": maker.settings.max_new_tokens, **generate}


def markers_of(maker: PromptMaker) -> ThinkingMarkers | None:
    """Return the markers of the model's thoughts; ``None`` if it does not think."""
    return thinking_markers(maker.tokenizer, maker.settings.thinking)


def is_opened(markers: ThinkingMarkers, maker: PromptMaker, prompt: EncodedPrompt) -> bool:
    """Tell whether a prompt has begun the thoughts already.

    What a tool says behind the user's message begins none, whatever it says.

    Args:
        markers: Around the thoughts.
        maker: Of the prompt.
        prompt: The prompt.
    """
    if not markers.opened_by(prompt.text[prompt.content[1] : prompt.prompt_length]):
        return False
    place = Conversation.about(maker.question, maker.history).place
    if place >= len(maker.history):
        return True
    alone = replace(maker, history=maker.history[:place])
    return is_opened(markers, alone, alone.make(()))


def _as_written(markers: ThinkingMarkers, text: str, thoughts: str | None, opened: bool) -> str:
    """Return an answer as the model would have written it, with its thoughts.

    Args:
        markers: Around its thoughts.
        text: The answer; with thoughts and markers in it, or without.
        thoughts: Thoughts that are not in it.
        opened: Whether the prompt has begun the thoughts.
    """
    if thoughts is None and markers.end.strip() in text:
        return text
    return markers.around((thoughts or "").strip(), text, opened)


def _generated_reading(maker: PromptMaker, prompt: EncodedPrompt, generated: Generation) -> Reading:
    markers, places = markers_of(maker), None
    if markers is not None:
        opened = is_opened(markers, maker, prompt)
        places = find_thoughts(maker.tokenizer, generated.ids, markers, opened)
    return _reading(maker, prompt, generated, places)


def _reading(
    maker: PromptMaker,
    prompt: EncodedPrompt,
    generated: Generation,
    places: WrittenPlaces | None,
    statements: Sequence[Span] | None = None,
) -> Reading:
    language = maker.settings.language
    written = decode_written(maker.tokenizer, generated.ids, language, places, statements)
    return Reading(
        maker, prompt, len(prompt.ids), written, generated.attention, generated.truncated
    )
