"""Strings that end an answer: where it ends, and how much of it is certain before it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

#: How many of the newest tokens are looked through, beside as many as a string has characters:
#: more than any tokenizer needs for it, and than come in a step.
_SPARE_TOKENS = 16


@dataclass(frozen=True)
class Stops:
    """Strings that end an answer, and are no part of it, as servers have them.

    Attributes:
        strings: The strings; none of them is empty.
    """

    strings: tuple[str, ...] = ()

    def reached(self, tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> bool:
        """Whether one is among the newest tokens of an answer.

        Args:
            tokenizer: The tokenizer that the ids are from.
            ids: Token ids of the answer so far.
        """
        longest = max(map(len, self.strings), default=0)
        newest = list(ids[-longest - _SPARE_TOKENS :])
        for skipped in (True, False):  # a string may be the text of a special token
            text = tokenizer.decode(
                newest, skip_special_tokens=skipped, clean_up_tokenization_spaces=False
            )
            if any(string in text for string in self.strings):
                return True
        return False

    def end(self, text: str) -> int:
        """Return how many characters come before the string that is complete first.

        Which that is does not depend on how the text comes in tokens.

        Args:
            text: All that was written.
        """
        starts = ((text.find(string), len(string)) for string in self.strings)
        found = [(start + length, start) for start, length in starts if start >= 0]
        return min(found)[1] if found else len(text)

    def settled(self, text: str) -> int:
        """Return how many characters come before what is one of the strings, or may become one.

        Args:
            text: What was written so far.
        """
        end = self.end(text)
        if end < len(text):
            return end
        return len(text) - max((_begun(string, text) for string in self.strings), default=0)


#: Nothing but the model's end token ends the answer.
NO_STOPS = Stops()


def _begun(string: str, text: str) -> int:
    """Return how many characters a string has at the end of a text that may go on with it."""
    most = min(len(string) - 1, len(text))
    return next((n for n in range(most, 0, -1) if text.endswith(string[:n])), 0)
