"""An answer piece by piece, while the model is at it: text, statements, and the whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from at2_rag.answer import Answer
from at2_rag.answering import Answering
from at2_rag.background import Line
from at2_rag.chat import Message
from at2_rag.citations import Statement
from at2_rag.encoding import special_ids
from at2_rag.engine import Unfinished
from at2_rag.estimators import TokenScores
from at2_rag.passages import Passage
from at2_rag.prompting import PromptMaker
from at2_rag.settled import SettledSentences, settled_text, settled_tokens

#: A piece of the answer's text, a statement right behind its last piece, or at last the answer.
Event = str | Statement | Answer


class AnswerWriter:
    """Turns the steps of a generation into events.

    Text that may lie behind the end of a statement is held back until the statement is handed
    over. Where the steps cannot be followed, or another method than attention scores the sources,
    all events come at the end.

    Args:
        line: Takes the events.
        answering: What the answer is cited with.
        maker: Of the prompt.
    """

    def __init__(self, line: Line[Event], answering: Answering, maker: PromptMaker) -> None:
        self._line, self._answering, self._tokenizer = line, answering, maker.tokenizer
        self._special = special_ids(maker.tokenizer)
        self._sentences = SettledSentences(maker.settings.language)
        self._read = ""  # text that is settled
        self._written = 0  # characters handed over
        self._statements = 0  # statements handed over
        self._scores: list[TokenScores] = []  # of their tokens

    @staticmethod
    def of(
        answering: Answering,
        asked: tuple[str, Sequence[str | Passage], Sequence[Message], dict[str, Any]],
        prune_to: int | None = None,
    ) -> Callable[[Line[Event]], None]:
        """Return what answers a question, and hands each event to a line as soon as it is settled.

        Args:
            answering: Answers.
            asked: What :meth:`Answering.asked` takes.
            prune_to: As for :meth:`Answering.answer`; the draft is not handed over.
        """

        def write(line: Line[Event]) -> None:
            maker, generate = answering.asked(*asked)
            writer = AnswerWriter(line, answering, maker)
            writer.finish(answering.answer(maker, generate, prune_to, writer.see))

        return write

    def see(self, unfinished: Unfinished | None) -> None:
        """Hand over what the last step has settled.

        Args:
            unfinished: The answer so far; ``None`` where it cannot be followed.

        Raises:
            NobodyListens: If the line's other side has left.
            NumericalError: If the attention became NaN.
        """
        self._line.check()
        if unfinished is None or self._answering.method is not None:
            return
        ids = unfinished.progress.ids
        tokens = settled_tokens(self._tokenizer, ids, self._special)
        text = settled_text(self._tokenizer, ids[:tokens])
        if len(text) <= len(self._read) or not text.startswith(self._read):
            return
        self._read = text
        self._sentences.read(text)
        if len(self._sentences.spans) > self._statements:
            self._hand_over(self._cited(unfinished, tokens), text)
        self._write(text[: self._sentences.free].rstrip())

    def finish(self, answer: Answer) -> None:
        """Hand over what is left of the finished answer, and the answer.

        Raises:
            NobodyListens: If the line's other side has left.
        """
        self._hand_over(answer.statements, answer.text)
        self._write(answer.text)
        self._line.put(answer)

    def _cited(self, unfinished: Unfinished, tokens: int) -> tuple[Statement, ...]:
        """Return all settled statements; only those that are new have to be scored."""
        estimator = self._answering.estimator
        reading = unfinished.reading(tokens, self._sentences.spans)
        new = list(reading.scores(estimator, len(self._scores)))
        attribution = reading.attribution([*self._scores, *new])
        self._scores += new[:-1]  # the last are those of the tokens behind the last statement
        return reading.cited(attribution, estimator)

    def _hand_over(self, statements: tuple[Statement, ...], text: str) -> None:
        for statement in statements[self._statements :]:
            self._write(text[: statement.end])
            self._line.put(statement)
            self._statements += 1

    def _write(self, text: str) -> None:
        if len(text) > self._written:
            self._line.put(text[self._written :])
            self._written = len(text)
