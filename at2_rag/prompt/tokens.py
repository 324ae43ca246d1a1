"""Text and token ids of a prompt, side by side."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import merge
from itertools import pairwise, takewhile
from typing import Any, NamedTuple

from tokenizers import PreTokenizedString, Token
from transformers import BatchEncoding, PreTrainedTokenizerBase

from at2_rag.documents.passages import check_text
from at2_rag.documents.sources import Source
from at2_rag.errors import InputError
from at2_rag.prompt.template import PassageInPrompt
from at2_rag.prompt.thinking_markers import ThoughtFormat
from at2_rag.spans import Span, stripped

#: How often a text is tokenized until no other thread has interfered.
_ATTEMPTS = 1000


@dataclass(frozen=True)
class EncodedText:
    """A text and its tokens.

    Attributes:
        text: The text that was tokenized.
        ids: Token ids of the whole text, in order.
        offsets: Characters [start, end) of the text that each token stands for; neither starts nor
            ends ever decrease.
    """

    text: str
    ids: tuple[int, ...]
    offsets: tuple[Span, ...]

    def token_range(self, start: int, end: int) -> Span:
        """Return the range of tokens that share a character with [start, end)."""
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end) if start < end else first
        return first, max(first, last)

    def first_token_of_end(self, length: int) -> int:
        """Return the first token that shares a character with the last ``length`` ones."""
        return self.token_range(len(self.text) - length, len(self.text))[0]

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
        prompt_length: How many characters of the text are the prompt; what follows is the answer.
        others: Where the documents that are no passages lie in the text.
        thought_format: How thoughts are written behind the prompt; ``None`` for a model that does
            not think.
    """

    places: tuple[PassageInPrompt, ...]
    content: Span
    prompt_length: int
    others: tuple[PassageInPrompt, ...] = ()
    thought_format: ThoughtFormat | None = None

    @property
    def behind(self) -> str:
        """The text that was tokenized with the prompt and follows it."""
        return self.text[self.prompt_length :]

    @property
    def shown(self) -> tuple[int, ...]:
        """Indices of the passages in the prompt, in order."""
        return tuple(place.index for place in self.places)

    def document_tokens(self, documents: int) -> list[Span]:
        """Return the range of tokens that each document has, passages title and all.

        Args:
            documents: How many passages and other documents there are; those not shown have (0, 0).
        """
        blocks = {place.index: place.block for place in (*self.places, *self.others)}
        return [self.token_range(*blocks[i]) if i in blocks else (0, 0) for i in range(documents)]

    def source_tokens(self, sources: Sequence[Source]) -> list[Span]:
        """Return the range of tokens that each source has.

        Args:
            sources: Pieces of documents that the prompt shows.
        """
        begins = {place.index: place.text[0] for place in (*self.places, *self.others)}
        places = [(begins[source.passage_index], source) for source in sources]
        return [self.token_range(begin + s.start, begin + s.end) for begin, s in places]

    def token_spans_within(self, place: Span) -> list[Span]:
        """Return characters of the tokens within ``place``, counted from its start.

        Tokens that share a character, such as the bytes of an emoji, come once.
        """
        first, last = self.token_range(*place)
        start, end = place
        spans = ((max(a, start) - start, min(b, end) - start) for a, b in self.offsets[first:last])
        return list(dict.fromkeys(span for span in spans if span[0] < span[1]))


def encode(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    contents: Sequence[Span],
    *,
    add_special_tokens: bool,
) -> EncodedText:
    """Tokenize ``text`` once, as a whole.

    What looks like a special token inside ``contents`` is read as text: a retrieved passage that
    says ``<|end|>`` cannot end the conversation, and neither can a tool's result.

    Args:
        tokenizer: A fast tokenizer, which knows offsets.
        text: The whole text to tokenize: the prompt, and what may follow it.
        contents: Characters of the text that come from outside, in any number of places.
        add_special_tokens: Whether the tokenizer adds its own, such as a beginning token.

    Raises:
        InputError: If the tokenizer does not know offsets, or the text holds half a character.
    """
    require_fast(tokenizer)
    check_text("The prompt", text)  # of what nobody has checked before, such as template options
    encoded = _encoded_whole(tokenizer, text, add_special_tokens=add_special_tokens)
    found = zip(
        encoded["input_ids"],
        encoded["offset_mapping"],
        encoded["special_tokens_mask"],
        strict=True,
    )
    tokens = [_Placed(id, span, from_text=not mask) for id, span, mask in found]
    tokens = _with_contents_as_text(tokenizer, text, contents, tokens)
    spans = _in_order([token.span for token in tokens])
    return EncodedText(text, tuple(token.id for token in tokens), tuple(spans))


def require_fast(tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise ``InputError`` for a tokenizer that does not know which characters a token is."""
    if not tokenizer.is_fast:
        raise InputError(
            f"{type(tokenizer).__name__} does not tell which characters a token stands for; "
            "expected a fast tokenizer. Load it with AutoTokenizer.from_pretrained."
        )


def _encoded_whole(
    tokenizer: PreTrainedTokenizerBase, text: str, *, add_special_tokens: bool
) -> BatchEncoding:
    """Tokenize all of a text, also while other threads have the same tokenizer cut texts short.

    Truncation and padding are settings of the tokenizer, which a call of another thread can change
    between this one's setting and its work.

    Raises:
        InputError: If they always do.
    """
    for _ in range(_ATTEMPTS):
        encoded = tokenizer(
            text,
            add_special_tokens=add_special_tokens,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            return_attention_mask=False,
            verbose=False,
        )
        [encoding] = encoded.encodings
        if not encoding.overflowing and 0 not in encoding.attention_mask:
            return encoded
    raise InputError(
        "The tokenizer was set to truncate or pad by other threads again and again; expected it to "
        "be left alone. Give the reader a tokenizer of its own."
    )


def special_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Return the ids that stand for no text, such as the end of a turn."""
    return {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}


class _Placed(NamedTuple):
    """A token, its characters, and whether it was found in the text or put around it."""

    id: int
    span: Span
    from_text: bool


def _with_contents_as_text(
    tokenizer: PreTrainedTokenizerBase, text: str, contents: Sequence[Span], tokens: list[_Placed]
) -> list[_Placed]:
    """Return the tokens that there would be without special tokens inside ``contents``."""
    special = special_ids(tokenizer)
    kept: list[_Placed] = []  # found by the tokenizer before all else, and left as they are
    cuts: list[Span] = []  # their characters, with the white space that some of them swallow
    found_in_contents = False
    for index in _added_tokens(tokenizer, text, tokens):
        token = tokens[index]
        if token.id in special:
            core = stripped(text, token.span)
            if any(core[0] < end and core[1] > start for start, end in contents):
                found_in_contents = True
                continue
            # White space that a passage begins with is no reason to count the token in.
            tokens[index] = token._replace(span=core)
        kept.append(tokens[index])
        cuts.append(token.span)
    if not found_in_contents:
        return tokens
    plain = _tokenize_between(tokenizer, text, cuts, special)
    before = list(takewhile(lambda token: not token.from_text, tokens))
    after = list(takewhile(lambda token: not token.from_text, reversed(tokens)))
    return [*before, *merge(plain, kept, key=lambda token: token.span[0]), *reversed(after)]


def _added_tokens(
    tokenizer: PreTrainedTokenizerBase, text: str, tokens: Sequence[_Placed]
) -> list[int]:
    """Return which tokens were found by their text, before the model looked at anything."""
    added = tokenizer.added_tokens_decoder
    return [
        index
        for index, token in enumerate(tokens)
        if token.from_text
        and token.id in added
        # The unknown token also stands for what is not in the vocabulary.
        and (
            token.id != tokenizer.unk_token_id
            or text[slice(*stripped(text, token.span))] == str(added[token.id])
        )
    ]


def _tokenize_between(
    tokenizer: Any, text: str, kept: Sequence[Span], special: set[int]
) -> list[_Placed]:
    """Tokenize ``text`` without looking for special tokens, except for the characters ``kept``.

    These are the tokenizer's own steps in its own order. Its setting for this would change it for
    all threads, and a copy of a large vocabulary takes seconds.
    """
    backend = tokenizer.backend_tokenizer
    pieces = PreTokenizedString(text)
    cuts = sorted({0, len(text), *(position for span in kept for position in span)})
    pieces.split(lambda _, whole: [whole.slice(cut) for cut in pairwise(cuts)])
    if backend.normalizer is not None:
        pieces.normalize(backend.normalizer.normalize)
    if backend.pre_tokenizer is not None:
        backend.pre_tokenizer.pre_tokenize(pieces)
    pieces.tokenize(lambda piece: _ordinary_tokens(backend.model, piece, special))
    encoding = pieces.to_encoding()
    skipped = {position for span in kept for position in range(*span)}
    return [
        _Placed(id, span, from_text=True)
        for id, span in zip(encoding.ids, encoding.offsets, strict=True)
        if span[0] not in skipped
    ]


def _ordinary_tokens(model: Any, piece: str, special: set[int]) -> list[Token]:
    """Tokenize a piece; what the model knows as one special token is cut after one character."""
    tokens: list[Token] = model.tokenize(piece)
    data = piece.encode()  # the model counts bytes
    for token in tokens:
        start, end = token.offsets
        name = data[start:end].decode(errors="replace")
        if token.id in special and token.value == name and len(name) > 1:
            cut = start + len(name[0].encode())
            left = _ordinary_tokens(model, data[:cut].decode(), special)
            right = _ordinary_tokens(model, data[cut:].decode(), special)
            return left + [
                Token(t.id, t.value, (t.offsets[0] + cut, t.offsets[1] + cut)) for t in right
            ]
    return tokens


def _in_order(spans: Sequence[Span]) -> list[Span]:
    """Give tokens that stand for no character a place between their neighbours."""
    placed, last = [], 0
    for start, end in spans:
        span = (start, end) if end > start else (last, last)
        last = max(last, span[1])
        placed.append(span)
    return placed
