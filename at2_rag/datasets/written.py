"""Questions that a model wrote about passages: taken out of its words, and judged by them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from at2_rag.datasets.example import TrainingExample
from at2_rag.documents.passages import Passage
from at2_rag.errors import FileFormatError

#: Fewest and most words of a question.
_LENGTHS = (4, 30)

_LABEL = re.compile(r"^\W*(?:question|q)\s*\d*\s*[:.]\s*", re.IGNORECASE)
_WORD = re.compile(r"\w+")
#: Shorter words say little.
_TELLING = 4


class Dropped(StrEnum):
    """Why nothing can be learned from a question that a model wrote."""

    no_question = "no question"
    length = "too short or long"
    repeated = "asked before"
    lost = "does not find its passage"
    too_long = "does not fit the context"
    refused = "not answered"
    empty = "answer says nothing of it"
    known = "answered without it"


@dataclass(frozen=True)
class Written:
    """A question that a model wrote, with what it is about.

    Attributes:
        number: Place of its topic in the order of topics, from 0.
        question: The question; empty where the model wrote none.
        about: Ids of the passages that the question is about.
        seconds: How long the question took to be written and judged.
        passages: What the question is to be answered from: the passages that it is about, among
            others; none where it was dropped.
        answer: The model's answer; ``None`` where it was dropped before it was asked.
        gain: How far the log-probability of the answer falls without the passages that the question
            is about, in nats; ``None`` where that was not measured.
        dropped: Why nothing can be learned from it; ``None`` for a question that is kept.
    """

    number: int
    question: str
    about: tuple[str, ...]
    seconds: float
    passages: tuple[Passage, ...] = ()
    answer: str | None = None
    gain: float | None = None
    dropped: Dropped | None = None

    @property
    def example(self) -> TrainingExample:
        """The question with its passages and the answer that was found to depend on them."""
        return TrainingExample(f"own-{self.number}", self.question, self.passages, self.answer)

    @property
    def without_its_passages(self) -> TrainingExample:
        """The same answer with only those passages that the question is not about."""
        others = tuple(p for p in self.passages if p.id not in self.about)
        return TrainingExample(f"own-{self.number}-without", self.question, others, self.answer)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, from which examples can be read as well."""
        return {
            "id": f"own-{self.number}",
            "number": self.number,
            "question": self.question,
            "passages": [_plain(passage) for passage in self.passages],
            "answer": self.answer,
            "about": list(self.about),
            "gain": self.gain,
            "dropped": self.dropped,
            "seconds": self.seconds,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Written:
        """Return what :meth:`to_dict` was called on.

        Raises:
            KeyError: If something is missing.
            TypeError: If something is of another kind.
            ValueError: If it was dropped for a reason that nobody knows.
        """
        return cls(
            data["number"],
            data["question"],
            tuple(data["about"]),
            data["seconds"],
            tuple(Passage(**passage) for passage in data["passages"]),
            data["answer"],
            data["gain"],
            None if data["dropped"] is None else Dropped(data["dropped"]),
        )


@dataclass(frozen=True)
class WrittenFiles:
    """Questions as JSON lines: those that are kept, which examples are read from, and the others.

    Attributes:
        folder: Where the two files are.
    """

    folder: Path

    @property
    def kept(self) -> Path:
        """File of the questions that are kept."""
        return self.folder / "questions.jsonl"

    @property
    def dropped(self) -> Path:
        """File of the questions that were dropped, with the reason."""
        return self.folder / "dropped.jsonl"

    def read(self) -> dict[int, Written]:
        """Return the questions by number, what a killed process left half-written aside.

        Raises:
            FileFormatError: If a whole line is no question.
        """
        found = [one for path in (self.kept, self.dropped) for one in _read(path)]
        return {one.number: one for one in found}

    def add(self, written: Written) -> None:
        """Write down one more question."""
        path = self.kept if written.dropped is None else self.dropped
        self.folder.mkdir(parents=True, exist_ok=True)
        _cut_half_a_line(path)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(written.to_dict()) + "\n")


def question_in(text: str) -> str | None:
    """Return the first question in what a model wrote; ``None`` if there is none.

    Args:
        text: All that the model wrote.
    """
    lines = (line for line in text.splitlines() if line.strip())
    line = _LABEL.sub("", next(lines, "")).strip().strip("\"'“”*` ")
    asked, mark, _ = line.partition("?")
    return f"{' '.join(asked.split())}?" if mark and asked.strip() else None


def unfit(question: str, ranks: Sequence[int], asked: set[str]) -> Dropped | None:
    """Return why a question is dropped by its words alone; ``None`` if it is not.

    Args:
        question: The question that was written.
        ranks: For each passage that the question is about, how many others share more telling
            words with it.
        asked: What :func:`plain` returns of the questions before it.
    """
    words = len(question.split())
    if not _LENGTHS[0] <= words <= _LENGTHS[1]:
        return Dropped.length
    if plain(question) in asked:
        return Dropped.repeated
    return None if min(ranks) < _MOST_BEFORE else Dropped.lost


#: A question finds its passage if fewer than so many others share more telling words with it.
_MOST_BEFORE = 3


def tells_of(answer: str, question: str, passages: Sequence[Passage]) -> bool:
    """Return whether an answer holds a word of the passages that the question does not.

    Args:
        answer: The model's answer.
        question: What was asked.
        passages: What the question is about.
    """
    theirs = {word for p in passages for word in _telling(f"{p.title or ''} {p.text}")}
    return bool((_telling(answer) & theirs) - _telling(question))


def plain(question: str) -> str:
    """Return the words of a question alone, in small letters."""
    return " ".join(_WORD.findall(question.casefold()))


def _telling(text: str) -> set[str]:
    words = _WORD.findall(text.casefold())
    return {w for w in words if len(w) >= _TELLING or any(map(str.isdigit, w)) or not w.isascii()}


def _plain(passage: Passage) -> dict[str, Any]:
    fields = {"text": passage.text, "title": passage.title, "id": passage.id, "url": passage.url}
    place = {key: passage.metadata[key] for key in ("path", "line") if key in passage.metadata}
    return {**fields, "metadata": place}


def _read(path: Path) -> list[Written]:
    if not path.exists():
        return []
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    found = []
    for number, line in enumerate(whole.split("\n") if whole else (), start=1):
        try:
            found.append(Written.from_dict(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise FileFormatError(f"{path}:{number}: no written question: {error}") from error
    return found


def _cut_half_a_line(path: Path) -> None:
    """Take away what a killed process left behind the last whole line."""
    if not path.exists():
        return
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        path.write_bytes(data[: data.rfind(b"\n") + 1])
