"""From generated token ids to text, and which characters each token stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from at2_rag.prompt import Span

_UNFINISHED = "\ufffd"  # what decoders write for the first bytes of a longer character


@dataclass(frozen=True)
class DecodedAnswer:
    """An answer as text, without white space around it.

    Attributes:
        text: The text.
        spans: Characters [start, end) of each token; empty for special tokens. Tokens that each
            hold some bytes of one character all stand for that character.
    """

    text: str
    spans: tuple[Span, ...]


def decode_answer(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> DecodedAnswer:
    """Decode generated ids; the ids are kept as they are, never found again by tokenizing."""
    raw = _decode(tokenizer, ids)
    spans = _incremental_spans(tokenizer, ids, raw) or _prefix_spans(tokenizer, ids, raw)
    text = raw.strip()
    shift = len(raw) - len(raw.lstrip())

    def clipped(position: int) -> int:
        return min(max(position - shift, 0), len(text))

    return DecodedAnswer(text, tuple((clipped(start), clipped(end)) for start, end in spans))


def _decode(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    text: str = tokenizer.decode(
        list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text


def _incremental_spans(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], raw: str
) -> list[Span] | None:
    """Return spans in linear time, or None where decoding in pieces gives another text.

    Each token is decoded together with the last few, since decoders look back (leading spaces,
    bytes of one character).
    """
    spans: list[Span] = []
    length = 0  # of the text so far
    window, read = 0, 0  # tokens [window, read) give the left context
    pending = 0  # tokens whose character is not finished yet
    for index in range(len(ids)):
        before = _decode(tokenizer, ids[window:read])
        after = _decode(tokenizer, ids[window : index + 1])
        if after.endswith(_UNFINISHED) and raw[length : length + 1] != _UNFINISHED:
            pending += 1
            continue
        new = after[len(before) :]
        if raw[length : length + len(new)] != new:
            return None
        spans += [(length, length + len(new))] * (pending + 1)
        length += len(new)
        window, read, pending = read, index + 1, 0
    spans += [(length, len(raw))] * pending
    return spans if length == len(raw) or pending else None


def _prefix_spans(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], raw: str
) -> list[Span]:
    """Return spans from the decoding of every prefix: quadratic, right for any decoder."""
    ends = []
    for index in range(len(ids)):
        prefix = _decode(tokenizer, ids[: index + 1])
        same = next(
            (i for i, (a, b) in enumerate(zip(prefix, raw, strict=False)) if a != b),
            min(len(prefix), len(raw)),
        )
        ends.append(max(same, ends[-1] if ends else 0))
    spans: list[Span] = []
    start = 0
    for position, end in enumerate(ends):
        # A token that finishes no character belongs to the next one that is finished.
        finished = next((e for e in ends[position:] if e > start), end)
        spans.append((start, finished))
        start = max(start, end)
    return spans
