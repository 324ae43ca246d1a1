"""From generated token ids to text, and which characters each token stands for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import commonprefix

from transformers import PreTrainedTokenizerBase

from at2_rag.encoding import special_ids
from at2_rag.prompt import Span

_UNFINISHED = "\ufffd"  # what decoders write for the first bytes of a longer character


@dataclass(frozen=True)
class DecodedAnswer:
    """An answer as text, without white space around it.

    Attributes:
        text: The text.
        spans: Characters [start, end) of each token, which together cover the text. Tokens that
            each hold some bytes of one character all stand for that character. Starts never
            decrease; special tokens stand for nothing and have empty spans.
    """

    text: str
    spans: tuple[Span, ...]


def decode_answer(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> DecodedAnswer:
    """Decode generated ids; the ids are kept as they are, never found again by tokenizing."""
    raw = _decode(tokenizer, ids)
    special = special_ids(tokenizer)
    plain = [id for id in ids if id not in special]
    found = _incremental_spans(tokenizer, plain, raw)
    if found is None:
        found = _prefix_spans(tokenizer, plain, raw)
    text = raw.strip()
    shift = len(raw) - len(raw.lstrip())

    def clipped(position: int) -> int:
        return min(max(position - shift, 0), len(text))

    return DecodedAnswer(
        text,
        tuple(
            (clipped(start), clipped(end)) for start, end in _with_special(ids, special, found)
        ),
    )


def _decode(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    text: str = tokenizer.decode(
        list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text


def _with_special(ids: Sequence[int], special: set[int], spans: Sequence[Span]) -> Iterator[Span]:
    """Yield the spans of all tokens, given those of the tokens that are not special."""
    plain, start = iter(spans), 0
    for id in ids:
        span = (start, start) if id in special else next(plain)
        start = span[0]
        yield span


def _incremental_spans(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], raw: str
) -> list[Span] | None:
    """Return spans in linear time, or None where decoding in pieces gives another text.

    Each token is decoded together with the last few, since decoders look back (leading spaces,
    bytes of one character). Spans are those of :func:`_prefix_spans` wherever a longer sequence
    only ever adds to the text of a shorter one, or finishes its last character.
    """
    spans: list[Span] = []
    window, read = 0, 0  # tokens [window, read) give the left context
    before, base = "", 0  # their text, and where it ends in the whole text
    finished = 0
    for index in range(len(ids)):
        after = _decode(tokenizer, ids[window : index + 1])
        new = after[len(before) :]
        same, touched = _agreement(new, raw[base:])
        if not after.startswith(before) or not new[same:touched] in ("", _UNFINISHED):
            return None
        spans.append((finished, max(base + touched, finished)))
        finished = max(base + same, finished)
    return spans


def _prefix_spans(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], raw: str) -> list[Span]:
    """Return spans from the decoding of every prefix: quadratic, right for any decoder."""
