"""From a question and passages to an encoded prompt that fits the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from at2_rag.chat import Message, render_chat, render_plain
from at2_rag.encoding import EncodedPrompt, encode
from at2_rag.errors import ContextOverflowError
from at2_rag.passages import Passage
from at2_rag.settings import Settings
from at2_rag.sources import Source, split_passage


@dataclass(frozen=True)
class PromptMaker:
    """Makes prompts for one question.

    Attributes:
        tokenizer: The reader's tokenizer.
        question: The question.
        passages: All passages.
        history: Earlier chat messages.
        settings: Template, system prompt and so on.
    """

    tokenizer: PreTrainedTokenizerBase
    question: str
    passages: tuple[Passage, ...]
    history: Sequence[Message]
    settings: Settings

    @property
    def readable(self) -> list[int]:
        """Indices of the passages that have text."""
        return [i for i, passage in enumerate(self.passages) if not passage.is_empty]

    def make(self, shown: Sequence[int], answer: str = "") -> EncodedPrompt:
        """Return the prompt with the passages ``shown``, tokenized as one text.

        Args:
            shown: Indices of the passages to show, in order.
            answer: Text that follows the prompt and is tokenized with it.
        """
        message, places = self.settings.prompt.render(self.question, self.passages, shown)
        # A tokenizer without a chat template belongs to a model that continues plain text.
        chat = self.tokenizer.chat_template is not None
        if chat:
            text, offset = render_chat(self.tokenizer, message, self.history, self.settings.system)
        else:
            text, offset = render_plain(message, self.history, self.settings.system)
            answer = f" {answer}" if answer else ""
        content = (offset, offset + len(message))
        encoded = encode(self.tokenizer, text + answer, content, add_special_tokens=not chat)
        moved = tuple(place.shifted(offset) for place in places)
        return EncodedPrompt(
            encoded.text,
            encoded.ids,
            encoded.offsets,
            places=moved,
            content=content,
            prompt_length=len(text),
        )

    def fit(self, shown: Sequence[int], room: int | None, answer: str = "") -> EncodedPrompt:
        """Return the prompt, short enough for ``room`` tokens.

        Args:
            shown: Indices of the passages to show; left out from the end if the settings say so.
            room: Tokens that the prompt may have; ``None`` for any number.
            answer: As for :meth:`make`.

        Raises:
            ContextOverflowError: If it does not fit.
        """
        kept = list(shown)
        while True:
            prompt = self.make(kept, answer)
            if room is None or len(prompt.ids) <= room:
                return prompt
            excess = len(prompt.ids) - room
            if self.settings.on_overflow == "error" or len(kept) == 1:
                raise self._overflow(len(prompt.ids), room, kept)
            kept = kept[: -self._how_many_to_drop(prompt, excess)]

    def sources(self, prompt: EncodedPrompt) -> list[Source]:
        """Return the sources of the passages that the prompt shows."""
        settings = self.settings
        return [
            source
            for place in prompt.places
            for source in split_passage(
                self.passages[place.index],
                place.index,
                settings.source_unit,
                settings.language,
                # Costs as much as all the rest, and only tokens need it.
                prompt.token_spans_within(place.text) if settings.source_unit == "token" else (),
            )
        ]

    def _how_many_to_drop(self, prompt: EncodedPrompt, excess: int) -> int:
        dropped = 0
        for place in reversed(prompt.places[1:]):
            start, end = prompt.token_range(*place.block)
            excess -= end - start
            dropped += 1
            if excess <= 0:
                break
        return dropped

    def _overflow(self, tokens: int, room: int, kept: Sequence[int]) -> ContextOverflowError:
        advice = (
            'lower max_new_tokens, pass fewer or shorter passages, or on_overflow="drop" to '
            "leave out the last ones"
            if self.settings.on_overflow == "error"
            else "even one passage is too long: lower max_new_tokens or pass shorter passages"
        )
        return ContextOverflowError(
            f"The prompt with {len(kept)} passage(s) has {tokens} tokens; expected at most {room}, "
            f"the model's context less the answer. It is {tokens - room} tokens too long: "
            f"{advice}.",
            tokens - room,
        )
