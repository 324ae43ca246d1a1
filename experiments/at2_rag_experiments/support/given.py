"""Answers that are given to the model: right ones, and wrong ones in several ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from at2_rag.documents.passages import Passage

from at2_rag_experiments.gold_question import GoldQuestion
from at2_rag_experiments.support.altered import negated, with_another_digit, with_exchanged_names

RIGHT = "right"
REMOVED = "passage taken away"
FOREIGN = "another question's answer"
ALTERED = "a number changed"
QUOTED = "the evidence, quoted"
MISQUOTED = "quoted, a number changed"
NEGATED = "quoted and negated"
EXCHANGED = "quoted, two names exchanged"

#: In the order of tables: what is right, what no passage says, and what only looks right.
KINDS = (RIGHT, REMOVED, FOREIGN, ALTERED, QUOTED, MISQUOTED, NEGATED, EXCHANGED)

#: What is right, that each kind is compared with; :data:`RIGHT` where nothing else is said.
COMPARED_WITH = {MISQUOTED: QUOTED, NEGATED: QUOTED, EXCHANGED: QUOTED}


@dataclass(frozen=True)
class Given:
    """An answer, and the passages that the model sees in front of it.

    Attributes:
        kind: One of :data:`KINDS`.
        passages: Passages of the question, some of them perhaps taken away.
        answer: What is read as the model's answer.
    """

    kind: str
    passages: tuple[Passage, ...]
    answer: str


@dataclass(frozen=True)
class AskedWith:
    """A question, and the right answer to another one.

    Attributes:
        question: What is asked, with its passages and its right answer.
        foreign: What the other question's right answer is.
    """

    question: GoldQuestion
    foreign: str

    @property
    def id(self) -> str:
        """Name of the question."""
        return self.question.id

    @property
    def fingerprint(self) -> str:
        """Hash of the question, and the other one's answer."""
        return f"{self.question.fingerprint}-{self.foreign}"


def paired(questions: Sequence[GoldQuestion]) -> list[AskedWith]:
    """Return each question with the answer to the next one that has another, in a ring.

    A question is left out if there is none.
    """
    found = []
    for index, question in enumerate(questions):
        behind = [*questions[index + 1 :], *questions[:index]]
        others = (other.answer for other in behind if other.answer != question.answer)
        if (foreign := next(others, None)) is not None:
            found.append(AskedWith(question, foreign))
    return found


def given_answers(item: AskedWith, shown: Sequence[int]) -> list[Given]:
    """Return the answers that a question is measured with.

    Args:
        item: A question with its right answer, and that of another one.
        shown: Indices of its passages that the model sees, in order.
    """
    question = item.question
    every = tuple(question.passages[index] for index in shown)
    others = tuple(question.passages[i] for i in shown if i not in question.supporting)
    found = [Given(RIGHT, every, question.answer)]
    if others:
        found.append(Given(REMOVED, others, question.answer))
    found.append(Given(FOREIGN, every, item.foreign))
    if (altered := with_another_digit(question.answer, question.id)) is not None:
        found.append(Given(ALTERED, every, altered))
    return found + _quoted(question, shown, every)


def _quoted(
    question: GoldQuestion, shown: Sequence[int], every: tuple[Passage, ...]
) -> list[Given]:
    """Return the first place of the evidence as an answer, as it is and turned into its contrary.

    None where the place is not known, or its passage is not shown.
    """
    place = next(((i, start, end) for i, start, end in question.gold if i in shown), None)
    if place is None:
        return []
    index, start, end = place
    quoted = question.passages[index].text[start:end].strip()
    made = (
        (MISQUOTED, with_another_digit(quoted, question.id)),
        (NEGATED, negated(quoted)),
        (EXCHANGED, with_exchanged_names(quoted)),
    )
    altered = [Given(kind, every, text) for kind, text in made if text is not None]
    return [Given(QUOTED, every, quoted), *altered]
