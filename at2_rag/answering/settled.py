"""What of a text that is still being written stays as it is, whatever follows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from at2_rag.documents.sentences import OTHER_FULL_STOP, sentence_spans
from at2_rag.spans import Span

#: A byte on its own, in vocabularies that write rare characters so.
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")

_UNFINISHED = "\ufffd"  # what decoders write for the first bytes of a longer character

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


def settled_text(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """Decode settled ids, without white space before them or an unfinished character behind."""
    text: str = tokenizer.decode(
        list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text.lstrip().rstrip(_UNFINISHED)


class SettledSentences:
    """Finds the sentences of a text while it is being written.

    Punkt may join what it has parted until it has seen the whole next word, and white space behind
    it. So a sentence is settled once its line, or the word after it, has ended; in scripts without
    spaces, behind their own full stops, at the next letter.

    Args:
        language: The language of the text, as Punkt names it.

    Attributes:
        spans: Characters of each settled sentence.
        free: Characters at the beginning of the text of which it is certain that no sentence ends
            among them, other than the settled ones; white space at their end aside.
    """

    def __init__(self, language: str) -> None:
        self.spans: list[Span] = []
        self.free = 0
        self._language = language
        self._line = 0  # where the last line starts
        self._in_line = 0  # settled sentences in it

    def read(self, text: str) -> None:
        """Take in the text so far.

        Args:
            text: The text so far; it begins with what was read before, and with no white space.
        """
        self._end_lines(text)
        line = text[self._line :]
        seen = self.spans[-1][1] - self._line if self._in_line else 0
        self.free = len(text)
        if _first_end(line, seen) == len(line):
            return
        horizon = _last_whole_word(line)
        for start, end in self._unsettled(line):
            if end > horizon and not _is_begun(line, end, horizon):
                self.free = self._line + end
                break
            self.spans.append((self._line + start, self._line + end))
            self._in_line += 1
            seen = end
        self.free = min(self.free, self._line + _first_end(line, max(seen, horizon)))

    def _end_lines(self, text: str) -> None:
        """Settle all sentences of the lines that have ended."""
        rest = text[self._line :]
        ended = len(rest) + 1 - len(f"{rest}-".splitlines()[-1])
        if ended:
            self.spans += [
                (self._line + a, self._line + b) for a, b in self._unsettled(rest[:ended])
            ]
            self._line += ended
            self._in_line = 0

    def _unsettled(self, line: str) -> list[Span]:
        """Return the line's sentences behind the settled ones.

        Whether a sentence ends depends on the words around, so it is enough to look from the last
        settled sentence on, which has to come out the same; else, at the whole line.
        """
        if self._in_line:
            start, end = (place - self._line for place in self.spans[-1])
            found = sentence_spans(line[start:], self._language)
            if found[:1] == [(0, end - start)]:
                return [(start + a, start + b) for a, b in found[1:]]
        return sentence_spans(line, self._language)[self._in_line :]


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


def _is_begun(line: str, end: int, horizon: int) -> bool:
    """Whether another sentence has begun behind ``end``, and Punkt has no say in it."""
    begun = _BEGUN.match(line, end)
    return begun is not None and _PUNKT_END.search(line, horizon, begun.end()) is None
