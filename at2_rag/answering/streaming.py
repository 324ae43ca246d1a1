"""An answer piece by piece, while the model is at it: thoughts, text, statements, the whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from at2_rag.answer.answer import Answer
from at2_rag.answer.statement import Statement
from at2_rag.answering.answerer import Answerer
from at2_rag.answering.background import Line
from at2_rag.answering.decoding import decode_answer
from at2_rag.answering.engine import Unfinished
from at2_rag.answering.settled import SettledSentences, settled_text, settled_tokens
from at2_rag.answering.thoughts_in_tokens import ThoughtFollower
from at2_rag.answering.written import Written
from at2_rag.estimators import TokenScores
from at2_rag.prompt.request import Request
from at2_rag.prompt.settings import Settings
from at2_rag.prompt.thinking_markers import WrittenPlaces
from at2_rag.prompt.tokens import special_ids


@dataclass(frozen=True)
class Thinking:
    """A piece of what a reasoning model thinks before it answers.

    Attributes:
        text: The next piece of what the thoughts say.
    """

    text: str


@dataclass(frozen=True)
class Writing:
    """A piece of the answer's text, ahead of what will be said of it.

    For answers that are run again when they are there, to be proven or scored by other means than
    attention: their text comes once as it is written, in pieces of this kind, and once at the end,
    piece by piece with its statements. The first adds up to the same as the second.

    Attributes:
        text: The next piece of the answer's text; perhaps nothing of the last.
        last: Whether the text is all there with it. What comes next takes a while, since the answer
            is run again.
    """

    text: str
    last: bool = False


#: A piece of the thoughts, a piece of the answer's text ahead of its statements, one with them, a
#: statement right behind its last piece, or at last the answer.
Event = Thinking | Writing | str | Statement | Answer


class AnswerWriter:
    """Turns the steps of a generation into events.

    Text that may lie behind the end of a statement is held back until the statement is handed
    over. Where the answer is to be run again when it is there, to prove citations, to judge
    groundedness, or since something else than attention scores the sources, the text comes ahead
    as it is written, and with its statements at the end. Where the steps cannot be followed, all
    events come at the end.

    Args:
        line: Takes the events to whoever listens.
        answerer: Has the model, and what the answer is cited with.
        settings: What the question is answered with.
    """

    def __init__(self, line: Line[Event], answerer: Answerer, settings: Settings) -> None:
        self._line, self._answerer = line, answerer
        self._late = settings.runs_again or answerer.method is not None
        self._tokenizer = answerer.engine.tokenizer
        self._special = special_ids(self._tokenizer)
        self._sentences = SettledSentences(settings.language)
        self._follower: ThoughtFollower | None = None  # made when the prompt is known
        self._thought = ""  # what of the thoughts is handed over
        self._thought_all = False  # whether that is all of them
        self._ahead = ""  # what of the text is handed over ahead of its statements
        self._read = ""  # text that is settled
        self._written = 0  # characters handed over
        self._statements = 0  # statements handed over
        self._scores: list[TokenScores] = []  # of their tokens, and those of the thoughts

    def see(self, unfinished: Unfinished | None) -> None:
        """Hand over what the last step has settled.

        Args:
            unfinished: The answer so far; ``None`` where it cannot be followed.

        Raises:
            NobodyListens: If the line's other side has left.
            NumericalError: If the attention became NaN.
        """
        self._line.check()
        if unfinished is None:
            return
        if self._follower is None:
            self._follower = ThoughtFollower(self._tokenizer, unfinished.prompt.thought_format)
        places = self._follower.places(unfinished.progress.ids)
        if self._follower.unclear:
            return
        if places is not None:
            self._think_so_far(unfinished, places)
            if not places.finished:
                return
        tokens, text = self._settled(unfinished, 0 if places is None else places.response[0])
        if self._late:
            self._write_ahead(text)
            return
        if len(text) <= len(self._read) or not text.startswith(self._read):
            return
        self._read = text
        self._sentences.read(text)
        if len(self._sentences.spans) > self._statements:
            self._hand_over(self._cited(unfinished, tokens, places), text)
        self._write(text[: self._sentences.free].rstrip())

    def end_text(self, written: Written) -> None:
        """Hand over the rest of a text that comes ahead, before the answer is run again.

        Args:
            written: All that the model has written.
        """
        if self._ahead:
            self._write_ahead(written.response.text, last=True)

    def finish(self, answer: Answer) -> None:
        """Hand over what is left of the finished answer, and the answer.

        Raises:
            NobodyListens: If the line's other side has left.
        """
        if answer.thoughts is not None:
            self._think(answer.thoughts.text)
        self._hand_over(answer.statements, answer.text)
        self._write(answer.text)
        self._line.put(answer)

    def _settled(
        self, unfinished: Unfinished, start: int, end: int | None = None
    ) -> tuple[int, str]:
        """Return how many of all tokens are settled, and the text of those from ``start`` on."""
        ids = unfinished.progress.ids[start:end]
        tokens = settled_tokens(self._tokenizer, ids, self._special)
        return start + tokens, settled_text(self._tokenizer, ids[:tokens], unfinished.stops)

    def _think_so_far(self, unfinished: Unfinished, places: WrittenPlaces) -> None:
        """Hand over what is settled of the thoughts; once they have ended, all of it."""
        if not places.finished:
            self._think(self._settled(unfinished, *places.thoughts)[1])
        elif not self._thought_all:
            ids = unfinished.progress.ids[slice(*places.thoughts)]
            self._think(decode_answer(self._tokenizer, ids, unfinished.stops).text)
            self._thought_all = True

    def _think(self, text: str) -> None:
        """Hand over what is new of the thoughts, but for white space before what may follow."""
        if new := _new(self._thought, text):
            self._line.put(Thinking(new))
            self._thought += new

    def _write_ahead(self, text: str, *, last: bool = False) -> None:
        """Hand over what is new of the text, but for white space before what may follow."""
        new = _new(self._ahead, text)
        if new or last:
            self._line.put(Writing(new, last))
            self._ahead += new

    def _cited(
        self, unfinished: Unfinished, tokens: int, places: WrittenPlaces | None
    ) -> tuple[Statement, ...]:
        """Return all settled statements; only those that are new have to be scored."""
        estimator = self._answerer.estimator
        reading = unfinished.reading(tokens, self._sentences.spans, places)
        new = list(reading.scores(estimator, len(self._scores)))
        cited = reading.cited([*self._scores, *new], estimator)
        self._scores += new[:-1]  # the last are those of the tokens behind the last statement
        return cited.statements

    def _hand_over(self, statements: tuple[Statement, ...], text: str) -> None:
        for statement in statements[self._statements :]:
            self._write(text[: statement.end])
            self._line.put(statement)
            self._statements += 1

    def _write(self, text: str) -> None:
        if len(text) > self._written:
            self._line.put(text[self._written :])
            self._written = len(text)


def _new(known: str, text: str) -> str:
    """Return what a text goes on with behind what is known of it, if it does, to its last sign."""
    text = text.rstrip()
    return text[len(known) :] if text.startswith(known) else ""


def write_events(
    answerer: Answerer, request: Callable[[], Request], prune_to: int | None = None
) -> Callable[[Line[Event]], None]:
    """Return what answers a question, and hands each event to a line as soon as it is settled.

    Args:
        answerer: Answers the question, and cites the answer.
        request: Returns what was asked; called when the answer is begun.
        prune_to: As for :meth:`Answerer.complete`; the draft is not handed over.
    """

    def write(line: Line[Event]) -> None:
        asked = request()
        writer = AnswerWriter(line, answerer, asked.settings)
        writer.finish(answerer.complete(asked, prune_to, writer.see, writer.end_text))

    return write
