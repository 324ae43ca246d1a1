"""Text and token ids of a prompt, side by side."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from transformers import PreTrainedTokenizerBase

from at2_rag.errors import InputError
from at2_rag.prompt import PassageInPrompt, Span


@dataclass(frozen=True)
class EncodedText:
    """A text and its tokens.

    Attributes:
        text: The text.
        ids: Token ids.
        offsets: Characters [start, end) of each token, in order.
    """

    text: str
    ids: tuple[int, ...]
    offsets: tuple[Span, ...]

    def token_range(self, start: int, end: int) -> Span:
        """Return the range of tokens that touch characters [start, end)."""
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end)
        return first, max(first, last)

    @cached_property
    def _starts(self) -> list[int]:
        return [start for start, _ in self.offsets]

    @cached_property
    def _ends(self) -> list[int]:
        return [end for _, end in self.offsets]


@dataclass(frozen=True)
class EncodedPrompt(EncodedText):
    """A prompt and its tokens, and the tokens of an answer if one was given.

    Attributes:
        places: Where each shown passage lies in the text.
        content: Characters of the user's message in the text.
        prompt_length: Characters of the prompt; what follows is the answer.
    """

    places: tuple[PassageInPrompt, ...]
    content: Span
    prompt_length: int

    @property
    def shown(self) -> tuple[int, ...]:
        """Indices of the passages in the prompt, in order."""
        return tuple(place.index for place in self.places)

    def token_spans_within(self, place: Span) -> list[Span]:
        """Return characters of the tokens within ``place``, counted from its start.

        Tokens that share a character, such as the bytes of an emoji, come once.
        """
        first, last = self.token_range(*place)
        start, end = place
        spans = (
            (max(a, start) - start, min(b, end) - start) for a, b in self.offsets[first:last]
        )
        return list(dict.fromkeys(span for span in spans if span[0] < span[1]))


def encode(
    tokenizer: PreTrainedTokenizerBase, text: str, content: Span, *, add_special_tokens: bool
) -> EncodedText:
    """Tokenize ``text`` once, as a whole.

    What looks like a special token inside ``content`` is read as text: a retrieved passage that
    says ``<|end|>`` cannot end the conversation.

    Args:
        tokenizer: A fast tokenizer, which knows offsets.
        text: The whole prompt.
        content: Characters of the text that come from outside.
        add_special_tokens: Whether the tokenizer adds its own, such as a beginning token.

    Raises:
        InputError: If the tokenizer does not know offsets.
    """
    if not tokenizer.is_fast:
        raise InputError(
            f"{type(tokenizer).__name__} does not tell which characters a token stands for; "
            "expected a fast tokenizer. Load it with AutoTokenizer.from_pretrained."
        )
    encoded = tokenizer(
        text, add_special_tokens=add_special_tokens, return_offsets_mapping=True,
        return_attention_mask=False, verbose=False,
    )
    ids, offsets = [], []
    for token, (start, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
        if token in _special_ids(tokenizer) and content[0] <= start and start < end <= content[1]:
            plain = _as_plain_text(tokenizer, text[start:end])
            ids += plain.ids
            offsets += [(start + a, start + b) for a, b in plain.offsets]
        else:
            ids.append(token)
            offsets.append((start, end))
    return EncodedText(text, tuple(ids), tuple(_in_order(offsets)))


def _special_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    added = tokenizer.added_tokens_decoder
    return {index for index, token in added.items() if token.special}


def _as_plain_text(tokenizer: PreTrainedTokenizerBase, text: str) -> EncodedText:
    """Tokenize a special token's text as ordinary characters, by never showing it whole."""
    ids: list[int] = []
    offsets: list[Span] = []
    for start, end in ((0, 1), (1, len(text))):
        part = tokenizer(
            text[start:end], add_special_tokens=False, return_offsets_mapping=True
        )
        ids += part["input_ids"]
        offsets += [(start + a, start + b) for a, b in part["offset_mapping"]]
    return EncodedText(text, tuple(ids), tuple(offsets))


def _in_order(offsets: Sequence[Span]) -> list[Span]:
    """Give tokens that stand for no character a place between their neighbours."""
    placed, last = [], 0
    for start, end in offsets:
        span = (start, end) if end > start else (last, last)
        last = max(last, span[1])
        placed.append(span)
    return placed
