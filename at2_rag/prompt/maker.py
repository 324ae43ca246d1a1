"""From a question and passages to an encoded prompt that fits the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from transformers import PreTrainedTokenizerBase

from at2_rag.documents.conversation import Conversation, Message
from at2_rag.documents.passages import Passage
from at2_rag.documents.sources import Source, split_passage
from at2_rag.errors import ContextOverflowError
from at2_rag.prompt.chat import render_chat, render_plain
from at2_rag.prompt.settings import Settings
from at2_rag.prompt.template import PassageInPrompt
from at2_rag.prompt.tokens import EncodedPrompt, encode


@dataclass(frozen=True)
class PromptMaker:
    """Makes prompts for one question.

    Attributes:
        tokenizer: The reader's tokenizer.
        question: The question.
        passages: All passages.
        history: Earlier chat messages; where they end with the result of a tool that was called
            for the question, with the question among them.
        settings: Template, system prompt and so on.
    """

    tokenizer: PreTrainedTokenizerBase
    question: str
    passages: tuple[Passage, ...]
    history: Sequence[Message]
    settings: Settings

    @cached_property
    def documents(self) -> tuple[Passage, ...]:
        """All that is in the prompt to be cited: the passages, and behind them the others.

        The others are the system prompt and the messages that are sources by the settings and have
        text, in the order of the conversation.
        """
        return self.passages + self._conversation.documents(self.settings.source_kinds)

    @property
    def readable(self) -> list[int]:
        """Indices of the passages that have text."""
        return [i for i, passage in enumerate(self.passages) if not passage.is_empty]

    def make(
        self, shown: Sequence[int], answer: str = "", others: Sequence[Passage] | None = None
    ) -> EncodedPrompt:
        """Return the prompt with the passages ``shown``, tokenized as one text.

        Without any passage that has text, the user's message is the question alone.

        Args:
            shown: Indices of the passages to show, in order.
            answer: Text that follows the prompt and is tokenized with it.
            others: The other documents, if with other texts than the conversation has.

        Raises:
            InputError: If a message of the history is malformed, or the chat template cannot show
                the conversation.
        """
        message, places = self._message(shown)
        if others is None:
            others = self.documents[len(self.passages) :]
        # A tokenizer without a chat template belongs to a model that continues plain text.
        chat = self.tokenizer.chat_template is not None
        if chat:
            options = self.settings.template_options
            rendered = render_chat(self.tokenizer, message, self._conversation, others, options)
        else:
            rendered = render_plain(message, self._conversation, others)
            answer = f" {answer}" if answer else ""
        encoded = encode(
            self.tokenizer,
            rendered.text + answer,
            [rendered.content, *rendered.verbatim],
            add_special_tokens=not chat,
        )
        return EncodedPrompt(
            encoded.text,
            encoded.ids,
            encoded.offsets,
            places=tuple(place.shifted(rendered.content[0]) for place in places),
            content=rendered.content,
            prompt_length=len(rendered.text),
            others=tuple(
                PassageInPrompt(index, span, span)
                for index, span in enumerate(rendered.verbatim, len(self.passages))
            ),
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
            if self.settings.on_overflow == "error" or len(kept) <= 1:
                raise self._overflow(len(prompt.ids), room, kept)
            kept = kept[: -self._how_many_to_drop(prompt, excess)]

    def sources(self, prompt: EncodedPrompt) -> list[Source]:
        """Return the sources of the passages that the prompt shows, and of the other documents."""
        settings = self.settings
        passages = prompt.places if "passage" in settings.source_kinds else ()
        return [
            source
            for place in (*passages, *prompt.others)
            for source in split_passage(
                self.documents[place.index],
                place.index,
                settings.source_unit,
                settings.language,
                # Costs as much as all the rest, and only tokens need it.
                prompt.token_spans_within(place.text) if settings.source_unit == "token" else (),
            )
        ]

    @cached_property
    def _conversation(self) -> Conversation:
        return Conversation.about(self.question, self.history, self.settings.system)

    def _message(self, shown: Sequence[int]) -> tuple[str, tuple[PassageInPrompt, ...]]:
        if not shown and not self.readable:  # an empty list of passages would only puzzle a model
            return self.question, ()
        return self.settings.prompt.render(self.question, self.passages, shown)

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
        if not kept:
            advice = "lower max_new_tokens, or pass a shorter history or system prompt"
        elif self.settings.on_overflow == "error":
            advice = (
                'lower max_new_tokens, pass fewer or shorter passages, or on_overflow="drop" to '
                "leave out the last ones"
            )
        else:
            advice = "even one passage is too long: lower max_new_tokens or pass shorter passages"
        return ContextOverflowError(
            f"The prompt with {len(kept)} passage(s) has {tokens} tokens; expected at most {room}, "
            f"the model's context less the answer. It is {tokens - room} tokens too long: "
            f"{advice}.",
            tokens - room,
        )
