"""A talk with a reader: questions one after the other over the same passages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from at2_rag.cli.console import note, show, spinner
from at2_rag.cli.gathering import check_question, keep_best
from at2_rag.cli.showing import (
    answer_on_screen,
    counted,
    names_of,
    note_what_happened,
    show_marked,
    show_sources,
)
from at2_rag.errors import ContextOverflowError, InputError

if TYPE_CHECKING:
    from at2_rag import Answer, Passage, Reader

#: Messages of a question with its answer.
_EXCHANGE = 2


@dataclass
class Talk:
    """What has been said so far, and what it is about.

    Attributes:
        reader: The reader that answers.
        passages: All passages, read once.
        most: How many passages a question is answered from at most: the best by BM25 of it and the
            question before.
        options: Settings of the reader, the same for all questions.
        history: The messages of all exchanges that the model still sees, in order.
        last: The last answer; ``None`` before there is one.
    """

    reader: Reader
    passages: Sequence[Passage]
    most: int
    options: Mapping[str, Any]
    history: list[dict[str, str]] = field(default_factory=list)
    last: Answer | None = None

    def ask(self, question: str) -> None:
        """Have a question answered, and show the answer.

        Raises:
            At2Error: If it cannot be answered; what was said before stays.
        """
        check_question(question)
        # "And when?" has no telling word; the question before it has.
        before = self.history[-_EXCHANGE]["content"] if self.history else ""
        query = f"{before}\n{question}"
        kept = keep_best(query, self.passages, self.most, "this question and the one before")
        self._keep(self._answer(question, kept))

    def prune(self, count: int) -> None:
        """Have the last question answered again, from the passages that the answer used most.

        Args:
            count: How many passages to keep.

        Raises:
            InputError: If there is no answer, or it had no more passages than that.
        """
        last = self._last()
        if count >= len(last.kept):
            raise InputError(
                f"The answer had {counted(len(last.kept), 'passage')}; expected a number below."
            )
        used = sorted(index for index, _ in last.ranked_passages[:count])
        note(f"answering again from {names_of(last, used)}")
        if last.text:
            del self.history[-_EXCHANGE:]
        self._keep(self._answer(last.question, [last.passages[index] for index in used]))

    def prove(self, count: int) -> None:
        """Leave the best-scored sources of the last answer out, and cite what stands that test.

        Args:
            count: How many sources of each statement to leave out.

        Raises:
            InputError: If there is no answer.
        """
        last = self._last()
        with spinner("leaving sources out"):
            self.last = self.reader.attribute(
                last.question,
                [last.passages[index] for index in last.kept],
                last.text,
                thoughts=None if last.thoughts is None else last.thoughts.text,
                history=last.history,
                **{**self.options, "prove": count},
            )
        show_marked(self.last)
        show_sources(self.last)

    def show_passages(self) -> None:
        """Show the passages that the last answer cites, with what it cites in them.

        Raises:
            InputError: If there is no answer.
        """
        from at2_rag.cli.render import highlighted

        last = self._last()
        cited = sorted({citation.passage_index for citation in last.citations})
        for index in cited:
            show(highlighted(last, index), "")
        others = counted(len(set(last.kept) - set(cited)), "passage")
        show(f"The answer cites none of {others}." if not cited else f"Read, not cited: {others}.")

    def forget(self) -> None:
        """Have the model see nothing of what was said before."""
        self.history.clear()

    def _last(self) -> Answer:
        if self.last is None:
            raise InputError("There is no answer yet; ask a question first.")
        return self.last

    def _answer(self, question: str, passages: Sequence[Passage]) -> Answer:
        """Answer with as much of the history as fits the model's context, the latest first."""
        while True:
            try:
                history = tuple(self.history)
                return answer_on_screen(
                    self.reader, question, passages, history=history, **self.options
                )
            except ContextOverflowError:
                if not self.history:
                    raise
                del self.history[:_EXCHANGE]
                note("the oldest question and its answer no longer fit, and are forgotten")

    def _keep(self, answer: Answer) -> None:
        """Take an answer that is complete into the history, and show what it goes back to."""
        self.last = answer
        if answer.text:
            said = (("user", answer.question), ("assistant", answer.text))
            self.history += [{"role": role, "content": content} for role, content in said]
        note_what_happened(answer)
        show_sources(answer)
