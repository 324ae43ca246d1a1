"""Which of a model's tokens are thoughts, and which its response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from transformers import PreTrainedTokenizerBase

from at2_rag.answering.decoding import decode_all
from at2_rag.answering.settled import settled_tokens
from at2_rag.prompt.thinking_markers import ThoughtFormat, WrittenPlaces
from at2_rag.spans import Span

#: How many of the newest tokens are looked through for the end of the thoughts, beside as many
#: as the marker has characters: more than any tokenizer needs for it.
_SPARE_TOKENS = 4


def find_thoughts(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], written: ThoughtFormat
) -> WrittenPlaces | None:
    """Return which of the tokens that a model wrote are thoughts and response.

    Tokens that hold a piece of a marker are neither.

    Args:
        tokenizer: The model's tokenizer.
        ids: Token ids of all that the model wrote.
        written: How thoughts are written behind the prompt.
    """
    decoded = decode_all(tokenizer, ids)
    places = written.place_in(decoded.text)
    if places is None:
        return None
    thoughts = _whole_tokens(decoded.spans, places.thoughts)
    if not places.finished:
        return WrittenPlaces((thoughts[0], len(ids)), (len(ids), len(ids)), finished=False)
    return WrittenPlaces(thoughts, _whole_tokens(decoded.spans, places.response), finished=True)


def _whole_tokens(spans: Sequence[Span], place: Span) -> Span:
    """Return the range of tokens that begin and end within a place."""
    first = next((i for i, (start, _) in enumerate(spans) if start >= place[0]), len(spans))
    last = next((i for i, (_, end) in enumerate(spans) if end > place[1]), len(spans))
    return first, max(first, last)


class ThoughtFollower:
    """Follows where thoughts begin and end while a model writes, at little cost for each step.

    Args:
        tokenizer: The model's tokenizer.
        written: How thoughts are written behind the prompt; ``None`` for a model that does not
            think.

    Attributes:
        unclear: Whether what was written so far may turn out to be the sign before thoughts.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, written: ThoughtFormat | None) -> None:
        self._tokenizer, self._format = tokenizer, written
        self._found: WrittenPlaces | None = None
        self.unclear = written is not None

    def places(self, ids: Sequence[int]) -> WrittenPlaces | None:
        """Return which tokens are thoughts and response; ``None`` if there are no thoughts.

        Args:
            ids: Token ids of what the model has written so far; each time, those from before and
                more.
        """
        if self._format is None:
            return None
        newest = self._newest(ids)
        thinking = self._found is not None and not self._found.finished
        if self.unclear or (thinking and self._format.end in self._text(newest)):
            self._found = find_thoughts(self._tokenizer, ids, self._format)
            # A model may write the sign also where the prompt has it.
            self.unclear = self._format.begin.startswith(self._text(ids).strip())
        if self._found is None:
            return None
        if self._found.finished:
            return replace(self._found, response=(self._found.response[0], len(ids)))
        seen = len(ids) - self._held_back(newest)
        start = self._found.thoughts[0]
        return replace(self._found, thoughts=(start, max(start, seen)))

    def _held_back(self, newest: Sequence[int]) -> int:
        """Return how many of the newest tokens may be a piece of the sign that ends the thoughts.

        Args:
            newest: Token ids of the newest tokens, more of them than the sign has.
        """
        assert self._format is not None
        decoded, end = decode_all(self._tokenizer, newest), self._format.end
        longest = min(len(decoded.text), len(end) - 1)
        begun = next((n for n in range(longest, 0, -1) if decoded.text.endswith(end[:n])), 0)
        first = len(decoded.text) - begun
        return sum(1 for _, stop in decoded.spans if stop > first)

    def _newest(self, ids: Sequence[int]) -> Sequence[int]:
        """Return enough of the newest tokens to find the end in; no character is cut in two."""
        assert self._format is not None
        start = max(0, len(ids) - len(self._format.markers.end) - _SPARE_TOKENS)
        return ids[settled_tokens(self._tokenizer, ids[:start], set()) :]

    def _text(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(
            list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return text
