"""From a request to an encoded prompt that fits the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from transformers import PreTrainedTokenizerBase

from at2_rag.documents.passages import Passage
from at2_rag.documents.sources import Source, split_passage
from at2_rag.errors import ContextOverflowError
from at2_rag.prompt.chat import RenderedChat, plain_turns, render_chat, render_plain
from at2_rag.prompt.request import Request
from at2_rag.prompt.shortening import cut_longest
from at2_rag.prompt.template import PassageInPrompt
from at2_rag.prompt.thinking_markers import ThinkingMarkers, ThoughtFormat, thinking_markers
from at2_rag.prompt.tokens import EncodedPrompt, encode

#: Returns the text that follows a prompt, given how thoughts are written behind it.
Behind = Callable[[ThoughtFormat | None], str]


def nothing(thought_format: ThoughtFormat | None) -> str:
    """Return no text, for prompts that the model is to go on from."""
    return ""


@dataclass(frozen=True)
class PromptMaker:
    """Makes prompts for one request.

    Attributes:
        tokenizer: The reader's tokenizer.
        request: The question, with its passages and settings.
        markers: What the model writes around its thoughts; ``None`` for one that does not think.
    """

    tokenizer: PreTrainedTokenizerBase
    request: Request
    markers: ThinkingMarkers | None

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, request: Request) -> PromptMaker:
        """Return what makes the prompts of a request, with the markers that its settings say."""
        return cls(tokenizer, request, thinking_markers(tokenizer, request.settings.thinking))

    def make(
        self,
        shown: Sequence[int],
        behind: Behind = nothing,
        others: Sequence[Passage] | None = None,
    ) -> EncodedPrompt:
        """Return the prompt with the passages ``shown``, tokenized as one text.

        Without any passage that has text, the user's message is the question alone.

        Args:
            shown: Indices of the passages to show, in order.
            behind: Says what text follows the prompt and is tokenized with it.
            others: The conversation's documents with other texts than it has; ``None`` for its own
                texts.

        Raises:
            InputError: If a message of the history is malformed, or the chat template cannot show
                the conversation.
        """
        message, places = self._message(shown)
        documents = self.request.documents
        rendered = self._rendered(message, documents["conversation"] if others is None else others)
        thought_format = self._thought_format(rendered)
        text = behind(thought_format)
        if text and not self._has_chat_template:
            text = f" {text}"
        encoded = encode(
            self.tokenizer,
            rendered.text + text,
            [rendered.content, *rendered.verbatim],
            add_special_tokens=not self._has_chat_template,
        )
        indices = documents.indices("conversation")
        return EncodedPrompt(
            encoded.text,
            encoded.ids,
            encoded.offsets,
            places=tuple(place.shifted(rendered.content[0]) for place in places),
            content=rendered.content,
            prompt_length=len(rendered.text),
            others=tuple(
                PassageInPrompt(index, span, span)
                for index, span in zip(indices, rendered.verbatim, strict=True)
            ),
            thought_format=thought_format,
        )

    def fit(
        self, shown: Sequence[int], room: int | None, behind: Behind = nothing
    ) -> EncodedPrompt:
        """Return the prompt, short enough for ``room`` tokens.

        Args:
            shown: Indices of the passages to show, best first; those that do not fit behind the
                ones before them are left out if the settings say so.
            room: How many tokens the prompt may have, with what follows it; ``None`` for any
                number.
            behind: Says what text follows the prompt and is tokenized with it.

        Raises:
            ContextOverflowError: If it does not fit.
        """
        prompt = self.make(shown, behind)
        if room is None or len(prompt.ids) <= room:
            return prompt
        if self.request.settings.on_overflow == "error" or not shown:
            raise self._overflow(len(prompt.ids), room, shown)
        costs = _costs(prompt)
        left = sum(costs.values()) + room - len(prompt.ids)
        while kept := _those_that_fit(costs, left):
            prompt = self.make(kept, behind)
            if len(prompt.ids) <= room:
                return prompt
            left -= len(prompt.ids) - room  # tokens join otherwise than where all are shown
        shortest = min(costs, key=lambda index: costs[index])
        prompt = self.make([shortest], behind)
        if len(prompt.ids) <= room:
            return prompt
        raise self._overflow(len(prompt.ids), room, [shortest])

    def shortened(
        self, shown: Sequence[int], room: int | None, behind: Behind = nothing
    ) -> tuple[PromptMaker, Sequence[int]]:
        """Return what makes the prompt with less of its longest passages, and what it is to show.

        Without ``on_overflow="truncate"``, and where all fits, that is the very same.

        Args:
            shown: Indices of the passages to show, in order.
            room: How many tokens the prompt may have, with what follows it; ``None`` for any
                number.
            behind: Says what text follows the prompt and is tokenized with it.
        """
        settings, maker = self.request.settings, self
        while room is not None and settings.on_overflow == "truncate":
            prompt = maker.make(shown, behind)
            if (excess := len(prompt.ids) - room) <= 0:
                break
            lengths = cut_longest(prompt, maker.request.passages, excess, settings.language)
            if not lengths:
                break
            shown = [index for index in shown if lengths.get(index, 1)]
            maker = replace(maker, request=maker.request.shortened(lengths))
        return maker, shown

    def sources(self, prompt: EncodedPrompt) -> list[Source]:
        """Return the sources of the passages that the prompt shows, and of the other documents."""
        settings, documents = self.request.settings, self.request.documents.items
        passages = prompt.places if "passage" in settings.source_kinds else ()
        return [
            source
            for place in (*passages, *prompt.others)
            for source in split_passage(
                documents[place.index],
                place.index,
                settings.source_unit,
                settings.language,
                # Costs as much as all the rest, and only tokens need it.
                prompt.token_spans_within(place.text) if settings.source_unit == "token" else (),
            )
        ]

    @property
    def turns(self) -> tuple[str, ...]:
        """What a model without a chat template begins another turn with; nothing with one.

        Those are the words before a colon that lines of its template begin with. A model that
        thinks may need them.
        """
        if self._has_chat_template or self.markers is not None:
            return ()
        return plain_turns(self.request.settings.prompt, self.request.conversation)

    @property
    def _has_chat_template(self) -> bool:
        """Whether the model takes part in chats; one without a template continues plain text."""
        return self.tokenizer.chat_template is not None

    def _message(self, shown: Sequence[int]) -> tuple[str, tuple[PassageInPrompt, ...]]:
        request = self.request
        if not shown and not request.readable:  # no passages at all would only puzzle a model
            return request.question, ()
        return request.settings.prompt.render(request.question, request.passages, shown)

    def _rendered(self, message: str, others: Sequence[Passage]) -> RenderedChat:
        conversation, options = self.request.conversation, self.request.settings.template_options
        if self._has_chat_template:
            return render_chat(self.tokenizer, message, conversation, others, options)
        return render_plain(message, conversation, others)

    def _thought_format(self, rendered: RenderedChat) -> ThoughtFormat | None:
        if self.markers is None:
            return None
        return ThoughtFormat(self.markers, self.markers.opened_by(rendered.ending))

    def _overflow(self, tokens: int, room: int, kept: Sequence[int]) -> ContextOverflowError:
        if not kept:
            advice = "lower max_new_tokens, or pass a shorter history or system prompt"
        elif self.request.settings.on_overflow == "error":
            advice = (
                'lower max_new_tokens, pass fewer or shorter passages, or on_overflow="drop" to '
                'leave out those that do not fit, or "truncate" to cut the longest ones'
            )
        else:
            advice = "even one passage is too long: lower max_new_tokens or pass shorter passages"
        return ContextOverflowError(
            f"The prompt with {len(kept)} passage(s) has {tokens} tokens; expected at most {room}, "
            f"the model's context less the answer. It is {tokens - room} tokens too long: "
            f"{advice}.",
            tokens - room,
        )


def _costs(prompt: EncodedPrompt) -> dict[int, int]:
    """Return how many tokens each shown passage has, with what stands between it and the next."""
    ranges = [prompt.token_range(*place.block) for place in prompt.places]
    between = ranges[1][0] - ranges[0][1] if len(ranges) > 1 else 0
    edges = [*(start for start, _ in ranges), ranges[-1][1] + between]
    costs = (end - start for start, end in pairwise(edges))
    return {place.index: cost for place, cost in zip(prompt.places, costs, strict=True)}


def _those_that_fit(costs: Mapping[int, int], room: int) -> list[int]:
    """Return the passages that fit, each behind those before it."""
    kept = []
    for index, cost in costs.items():
        if cost <= room:
            kept.append(index)
            room -= cost
    return kept
