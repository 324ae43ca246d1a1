"""A question whose answer and supporting passages are known."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from at2_rag.documents.passages import Passage


@dataclass(frozen=True)
class GoldQuestion:
    """A question with passages, its short answer, and which of the passages it takes.

    Attributes:
        id: Name that is unique among the questions of a run.
        question: The question that is asked.
        passages: The passages that it is answered from.
        answer: The right short answer.
        supporting: Indices of the passages that the answer takes, in ascending order.
        retrieval: The retriever's score of each passage; ``None`` if there was no retriever that
            told.
        gold: Where the facts stand that the answer takes: passage index, and where it starts and
            ends in that passage's text, in characters; empty where only the passages are known.
    """

    id: str
    question: str
    passages: tuple[Passage, ...]
    answer: str
    supporting: tuple[int, ...]
    retrieval: tuple[float, ...] | None = None
    gold: tuple[tuple[int, int, int], ...] = ()

    @property
    def fingerprint(self) -> str:
        """Return a hash of all of it."""
        texts = [(passage.title, passage.text) for passage in self.passages]
        content = (self.question, texts, self.answer, self.supporting, self.retrieval, self.gold)
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
