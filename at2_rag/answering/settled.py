"""What of a text that is still being written stays as it is, whatever follows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest

from transformers import PreTrainedTokenizerBase

from at2_rag.answering.stops import NO_STOPS, Stops
from at2_rag.documents.blocks import Block, blocks
from at2_rag.documents.sentences import (
    OTHER_FULL_STOP,
    ends_in_lead,
    has_open_quote,
    statements_of,
)
from at2_rag.spans import Span

#: A byte on its own, in vocabularies that write rare characters so.
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")

_UNFINISHED = "\ufffd"  # what decoders write for the first bytes of a longer character

#: How many line ends are looked at one by one that may be white space.
_MOST_OPEN = 4

#: Behind these Punkt may end a sentence. It judges by the word before and by the word behind.
_PUNKT_END = re.compile(r"[.?!](?!\w)")

#: What shows, behind a full stop that Punkt does not know, that nothing more will be attached to
#: its sentence: white space and a character, or a letter behind marks that are no reference.
_BEGUN = re.compile(r"\s+\S|(?:\[\d+\]|\[(?=[^\W\d])|[^\w\s\[.?!]|_)*[^\W_]")


def settled_tokens(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], special: set[int]
) -> int:
    """Return how many of the ids come before bytes of a character that may be unfinished.

    Decoders that find a run of bytes unfinished unwrite all characters in it.

    Args:
        tokenizer: The tokenizer that the ids are from.
        ids: Token ids of an answer so far.
        special: Token ids that stand for no text.
    """
    count = len(ids)
    while count and (ids[count - 1] in special or _is_byte(tokenizer, ids[count - 1])):
        count -= 1
    return count


def settled_text(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], stops: Stops = NO_STOPS
) -> str:
    """Decode settled ids, without white space before them or an unfinished character behind.

    Args:
        tokenizer: The tokenizer that the ids are from.
        ids: Token ids of an answer so far.
        stops: Strings that end the text; what may become one is left out.
    """
    text: str = tokenizer.decode(
        list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    text = text.rstrip(_UNFINISHED)
    return text[: stops.settled(text)].lstrip()


class SettledSentences:
    """Finds the statements of a text while it is being written.

    Punkt may join what it has parted until it has seen the whole next word, and white space behind
    it; in scripts without spaces, behind their own full stops, the next letter is enough. And
    whether a line end is white space may depend on all lines up to the next blank one. So a
    statement is settled once its block has ended; or once the word after it has, if it is the same
    however many of the line ends are white space of which that is not certain.

    Args:
        language: The language of the text, as Punkt names it.

    Attributes:
        spans: Characters of each settled statement.
        free: Characters at the beginning of the text of which it is certain that no statement ends
            among them, other than the settled ones; white space at their end aside.
    """

    def __init__(self, language: str) -> None:
        self.spans: list[Span] = []
        self.free = 0
        self._language = language
        self._block = 0  # where the last block starts
        self._in_block = 0  # settled statements in it

    def read(self, text: str) -> None:
        """Take in the text so far.

        Args:
            text: The text so far; it begins with what was read before, and with no white space.
        """
        self.free = len(text)
        for block in blocks(text, ended=False):
            start, stop = block.span
            if start < self._block:
                continue
            if block.ended:
                self._settle(self._unsettled(text, block, block.wraps()), start)
                self._block, self._in_block = stop, 0
            else:
                self._settle_begun(text, block)
        if ends_in_lead(text):  # which is a statement if that was all
            self.free = min(self.free, len(text.rstrip()))

    def _settle(self, spans: Sequence[Span], start: int) -> None:
        self.spans += [(start + a, start + b) for a, b in spans]
        self._in_block += len(spans)

    def _settle_begun(self, text: str, block: Block) -> None:
        """Settle what is certain of a block to which more may be added."""
        start, _ = block.span
        flat = block.flat(text)
        if _first_end(flat, self._seen(start)) == len(flat) and not self._has_ended(block):
            return
        cases = self._cases(block)
        last_run = block.runs(cases[-1])[-1][0] - start
        horizon = last_run + _last_whole_word(flat[last_run:])
        certain = block.certain_until() - start
        settled: list[Span] = []
        for spans in zip_longest(*(self._unsettled(text, block, wraps) for wraps in cases)):
            end = min(span[1] for span in spans if span is not None)
            may_go_on = end > horizon and not _is_begun(flat, end, horizon)
            quoted = _may_be_quoted(flat[last_run:], end - last_run)
            if len({*spans}) > 1 or end > certain or may_go_on or quoted:
                seen = settled[-1][1] if settled else self._seen(start)
                self.free = start + (min(end, _first_end(flat, seen)) if quoted else end)
                break
            settled.append(spans[0])
        self._settle(settled, start)
        self.free = min(self.free, start + _first_end(flat, max(self._seen(start), horizon)))

    def _cases(self, block: Block) -> list[list[bool]]:
        """Return which line ends may be white space: none that is open, the first, and so on."""
        wraps, place = block.wraps(ended=False), block.span[0] + self._seen(block.span[0])
        unsettled = [line.stop > place for line in block.lines[:-1]]
        ends = [i for i, w in enumerate(wraps) if w is None and unsettled[i]]
        return [
            [wrapped is True or (wrapped is None and i < end) for i, wrapped in enumerate(wraps)]
            for end in (0, *(i + 1 for i in ends[:_MOST_OPEN]), len(wraps))
        ]

    def _seen(self, start: int) -> int:
        """Return how much of a block is settled, in characters."""
        return self.spans[-1][1] - start if self._in_block else 0

    def _has_ended(self, block: Block) -> bool:
        """Whether a line has ended behind what is settled of a block."""
        start, _ = block.span
        place = start + self._seen(start)
        return any(line.line_end and line.stop > place for line in block.lines)

    def _unsettled(self, text: str, block: Block, wraps: Sequence[bool | None]) -> list[Span]:
        """Return the block's statements behind the settled ones, counted from its first character.

        Whether a sentence ends depends on the words around, so it is enough to look from the last
        settled one on, which has to come out the same; else, at the whole block.
        """
        start, _ = block.span
        if self._in_block:
            last = self.spans[-1]
            found = statements_of(text, block, wraps, self._language, last[0])
            if found[:1] == [last] and not has_open_quote(text[start : last[0]]):
                return [(a - start, b - start) for a, b in found[1:]]
        found = statements_of(text, block, wraps, self._language)
        return [(a - start, b - start) for a, b in found[self._in_block :]]


def _is_byte(tokenizer: PreTrainedTokenizerBase, id: int) -> bool:
    return _BYTE.fullmatch(str(tokenizer.convert_ids_to_tokens(id))) is not None


def _first_end(line: str, start: int) -> int:
    """Return behind which character, from ``start`` on, a sentence may end first."""
    found = (pattern.search(line, start) for pattern in (_PUNKT_END, OTHER_FULL_STOP))
    return min((match.start() + 1 for match in found if match), default=len(line))


def _last_whole_word(line: str) -> int:
    """Return where the last word starts that has white space behind it.

    Punkt takes no other white space than this for the end of a word in all its steps.
    """
    ended = line[: max(line.rfind(" "), line.rfind("\t")) + 1].rstrip()
    return max(ended.rfind(" "), ended.rfind("\t")) + 1


def _may_be_quoted(text: str, end: int) -> bool:
    """Whether a sentence that ends in running text may turn out to be within a quote."""
    stop = OTHER_FULL_STOP.search(text)
    return stop is not None and stop.start() < end and has_open_quote(text[:end])


def _is_begun(line: str, end: int, horizon: int) -> bool:
    """Whether another sentence has begun behind ``end``, and Punkt has no say in it."""
    begun = _BEGUN.match(line, end)
    return begun is not None and _PUNKT_END.search(line, horizon, begun.end()) is None
