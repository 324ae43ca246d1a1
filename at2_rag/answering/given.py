"""Texts from a caller, as they are read behind a prompt."""

from __future__ import annotations

from dataclasses import dataclass

from at2_rag.documents.passages import check_text
from at2_rag.errors import InputError
from at2_rag.prompt.thinking_markers import ThoughtFormat


@dataclass(frozen=True)
class Given:
    """Where texts that a caller gave begin in the text that is read behind a prompt.

    White space that they begin with is not read, so they can begin before it.

    Attributes:
        answer: Where the answer begins in the text that is read, in characters; below 0 if before
            it.
        thoughts: Where the text that holds the thoughts begins in the text that is read, in
            characters; below 0 if before it.
    """

    answer: int
    thoughts: int


@dataclass(frozen=True)
class GivenText:
    """An answer from a caller, and what was thought before it.

    Attributes:
        answer: The answer's text; a reasoning model's with markers and thoughts, or without.
        thoughts: What was thought before the answer; ``None`` if it is in the answer's text, or
            nothing was.
    """

    answer: str
    thoughts: str | None = None

    def check(self) -> None:
        """Refuse what says nothing, or cannot be read.

        Raises:
            InputError: If there is no text, or it holds half of a character.
        """
        if not isinstance(self.answer, str) or not (self.answer.strip() or self.thoughts):
            raise InputError(f"answer is {self.answer!r}; expected text to cite.")
        if not isinstance(self.thoughts, str | None):
            raise InputError(f"thoughts is {self.thoughts!r}; expected text, or None.")
        check_text("answer", self.answer)
        check_text("thoughts", self.thoughts or "")

    def behind(self, written: ThoughtFormat | None) -> str:
        """Return the text as the model would have written it, with its thoughts.

        Args:
            written: How thoughts are written behind the prompt; ``None`` for a model that does not
                think.
        """
        answer = self.answer.strip()
        if written is None or self._holds_thoughts(written):
            return answer
        return written.written((self.thoughts or "").strip(), answer)

    def given(self, written: ThoughtFormat | None) -> Given:
        """Return where answer and thoughts lie in what :meth:`behind` returns.

        Args:
            written: How thoughts are written behind the prompt; ``None`` for a model that does not
                think.
        """
        lead = _leading_space(self.answer)
        if written is None or self._holds_thoughts(written):
            return Given(-lead, -lead)
        answer = len(self.behind(written)) - len(self.answer.strip())
        thoughts = self.thoughts or ""
        inside = answer - len(written.markers.end) - len(thoughts.strip())
        return Given(answer - lead, inside - _leading_space(thoughts))

    def _holds_thoughts(self, written: ThoughtFormat) -> bool:
        """Whether thoughts stand in the answer's text."""
        return self.thoughts is None and written.end in self.answer


def _leading_space(text: str) -> int:
    """Return how many characters of white space a text begins with."""
    return len(text) - len(text.lstrip())
