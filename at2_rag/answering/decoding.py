"""From generated token ids to text, and which characters each token stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from at2_rag.answering.stops import NO_STOPS, Stops
from at2_rag.prompt.tokens import special_ids
from at2_rag.spans import Span

#: Returns the text of token ids.
Decode = Callable[[Sequence[int]], str]

_UNFINISHED = "\ufffd"  # what decoders write for the first bytes of a longer character


@dataclass(frozen=True)
class DecodedAnswer:
    """An answer as text, without white space around it.

    Attributes:
        text: What all tokens say together.
        spans: Characters [start, end) of the text that each token stands for, which together cover
            it. Tokens that each hold some bytes of one character all stand for that character.
            Starts never decrease; special tokens stand for nothing and have empty spans.
    """

    text: str
    spans: tuple[Span, ...]


def decode_answer(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], stops: Stops = NO_STOPS
) -> DecodedAnswer:
    """Decode generated ids; the ids are kept as they are, never found again by tokenizing.

    Args:
        tokenizer: The tokenizer that the ids are from.
        ids: Token ids of all that was generated.
        stops: Strings that end the text; tokens from the first on stand for nothing.
    """
    special = special_ids(tokenizer)
    plain = [id for id in ids if id not in special]
    raw, found = _decoded(tokenizer, plain, without_special=True)
    own = raw[: stops.end(raw)]
    text = own.strip()
    shift = len(own) - len(own.lstrip())

    def clipped(position: int) -> int:
        return min(max(position - shift, 0), len(text))

    return DecodedAnswer(
        text,
        tuple((clipped(start), clipped(end)) for start, end in _with_special(ids, special, found)),
    )


def decode_all(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> DecodedAnswer:
    """Decode generated ids with special tokens as text, and with the white space around."""
    raw, found = _decoded(tokenizer, ids, without_special=False)
    return DecodedAnswer(raw, tuple(found))


def _decoded(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], *, without_special: bool
) -> tuple[str, list[Span]]:
    """Return the text of ids, and the characters of it that each stands for."""

    def decode(some: Sequence[int]) -> str:
        text: str = tokenizer.decode(
            list(some), skip_special_tokens=without_special, clean_up_tokenization_spaces=False
        )
        return text

    raw = decode(ids)
    found = incremental_spans(decode, ids, raw)
    return raw, prefix_spans(decode, ids, raw) if found is None else found


def _with_special(ids: Sequence[int], special: set[int], spans: Sequence[Span]) -> Iterator[Span]:
    """Yield the spans of all tokens, given those of the tokens that are not special."""
    plain, start = iter(spans), 0
    for id in ids:
        span = (start, start) if id in special else next(plain)
        start = span[0]
        yield span


def incremental_spans(decode: Decode, ids: Sequence[int], raw: str) -> list[Span] | None:
    """Return each token's characters in linear time; ``None`` where pieces give another text.

    Each token is decoded together with the last few, since decoders look back (leading spaces,
    bytes of one character). The spans are those of :func:`prefix_spans` if each prefix of the ids
    decodes to a prefix of the text, apart from what stands for an unfinished character.

    Args:
        decode: Returns the text of token ids.
        ids: Token ids, in the order in which they were written.
        raw: The text of all token ids together.
    """
    reaches: list[Span] = []
    window, read = 0, 0  # tokens [window, read) give the left context
    before, base = "", 0  # its text, and where in the whole text that ends
    for index in range(len(ids)):
        after = decode(ids[window : index + 1])
        reach = _reach_after(before, after, raw[base:])
        if reach is None:
            return None
        reaches.append((base + reach[0], base + reach[1]))
        new = after[len(before) :]
        if new and after.startswith(before) and reach[0] == len(new):
            base += len(new)
            window, read = read, index + 1
            before = decode(ids[window:read])
    complete = decode(ids[window:])[len(before) :] == raw[base:]
    return _spans_between(reaches, len(raw)) if complete else None


def prefix_spans(decode: Decode, ids: Sequence[int], raw: str) -> list[Span]:
    """Return each token's characters from all prefixes: quadratic, right for any decoder.

    Args:
        decode: Returns the text of token ids.
        ids: Token ids, in the order in which they were written.
        raw: The text of all token ids together.
    """
    prefixes = (decode(ids[: index + 1]) for index in range(len(ids)))
    return _spans_between((_reach(prefix, raw) for prefix in prefixes), len(raw))


def _reach_after(before: str, after: str, rest: str) -> Span | None:
    """Return the reach into the ``rest`` of a text of what ``after`` has more than ``before``.

    ``None`` if it will write what it has not written so far, other than an unfinished character.
    """
    kept = _same_length(before, after)
    if kept < len(before):
        # Some decoders unwrite characters that are already finished while the next one is not.
        return (0, min(1, len(rest))) if after[kept : kept + 1] == _UNFINISHED else None
    new = after[len(before) :]
    same = _same_length(new, rest)
    return _reach(new, rest) if new[same : same + 1] in ("", _UNFINISHED) else None


def _reach(prefix: str, text: str) -> Span:
    """Return how many characters of ``text`` a decoded prefix has finished, and how many touched.

    What the next tokens will change is one touched character. Replacement characters at the end
    are touched as well: they may be the model's own or stand for the first bytes of others.
    """
    same = _same_length(prefix, text)
    touched = same if same == len(prefix) else min(same + 1, len(text))
    return len(text[:same].rstrip(_UNFINISHED)), touched


def _spans_between(reaches: Iterable[Span], length: int) -> list[Span]:
    """Return spans that begin at the first unfinished character and end at the last touched."""
    spans: list[Span] = []
    start = end = 0
    for finished, touched in reaches:
        begin, start = start, max(start, finished)
        unfinished = touched > finished
        end = max(end, touched, min(start + unfinished, length))
        spans.append((begin, end))
    return spans


def _same_length(first: str, second: str) -> int:
    """Return the length of the common beginning."""
    if second.startswith(first):
        return len(first)
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))
