"""Questions about own documents: written by the model itself, answered by it, and judged.

A question is kept if its answer comes from the passage that it was written about: among other
passages that share its words, the answer is far less likely once that passage is left out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import torch

from at2_rag.ablation.task import AttributionTask
from at2_rag.answer.refusals import is_refusal
from at2_rag.datasets.topics import WRITING, Topic, examples_of_writing
from at2_rag.datasets.written import Dropped, Written, question_in, tells_of, unfit
from at2_rag.documents.bm25 import Bm25Index
from at2_rag.documents.passages import Passage
from at2_rag.errors import ContextOverflowError, InputError
from at2_rag.reader import Reader

#: Longest question, in tokens.
QUESTION_TOKENS = 32

#: Writes a question for a topic, whose sentences are shown with the titles of their passages.
Writer = Callable[[Topic, Sequence[Passage]], str]


@dataclass(frozen=True)
class AskOptions:
    """How questions about documents are asked.

    Attributes:
        num_passages: How many passages each question is to be answered from: those that it is
            about, and such as share the most telling words with it.
        max_new_tokens: How many tokens the longest answer has.
        least_factor: How many times less likely the answer gets at least, once the passages that
            the question is about are left out.
        seed: Which sentences are asked about, and in which order passages stand; the same seed
            gives the same ones.
    """

    num_passages: int = 5
    max_new_tokens: int = 48
    least_factor: float = 1000.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_passages < 2 or self.max_new_tokens < 1 or not self.least_factor >= 1:
            raise InputError(
                f"{self}; expected num_passages of at least 2, max_new_tokens of at least 1 and "
                "least_factor of at least 1."
            )


class Asker:
    """Writes questions about passages with a reader's model, and judges them.

    Args:
        reader: The reader whose model writes and answers.
        pool: The passages to ask about, each with an id of its own, which are also those that
            questions are answered among.
        options: How questions are asked.
        writer: Returns what is written for a topic that is shown as passages; ``None`` for the
            reader's own model.
    """

    def __init__(
        self,
        reader: Reader,
        pool: Sequence[Passage],
        options: AskOptions,
        writer: Writer | None = None,
    ) -> None:
        self._reader, self._pool, self._options = reader, pool, options
        self._write = writer or self._by_the_model
        self._index = Bm25Index([f"{p.title or ''}\n{p.text}" for p in pool])

    @property
    def options(self) -> AskOptions:
        """How questions are asked."""
        return self._options

    def ask(self, topic: Topic, asked: set[str]) -> Written:
        """Write a question about a topic, and judge it.

        Args:
            topic: What the question is to be about.
            asked: The words of the questions before it, from
                :func:`~at2_rag.datasets.written.plain`.

        Raises:
            NumericalError: If the model produced NaN.
        """
        began = time.monotonic()
        question = question_in(self._write(topic, topic.shown(self._pool)))
        written = self._judged(question, topic, asked)
        if written.answer is None and (plainly := self._plain_question(topic)) is not None:
            # What a small model writes is often no question, or none that stands by itself.
            other = self._judged(plainly, topic, asked)
            written = other if other.answer is not None else written
        return replace(written, seconds=round(time.monotonic() - began, 3))

    def example_task(self, topic: Topic, max_new_tokens: int) -> AttributionTask:
        """Return the task of answering something among as many passages as questions have.

        Args:
            topic: A topic, whose sentence stands for the question.
            max_new_tokens: How many tokens the longest answer has.
        """
        passages, _ = self._among(topic.sentences[0], topic)
        return self._task(topic.sentences[0], passages, max_new_tokens)

    def _by_the_model(self, topic: Topic, shown: Sequence[Passage]) -> str:
        answer = self._reader.answer(
            topic.instruction,
            shown,
            history=examples_of_writing(),
            prompt=WRITING,
            max_new_tokens=QUESTION_TOKENS,
            do_sample=False,
        )
        return answer.text

    def _plain_question(self, topic: Topic) -> str | None:
        """Return a question that a passage's title alone gives; ``None`` for two, or without."""
        title = self._pool[topic.about[0]].title
        return f"What is said about {title}?" if len(topic.about) == 1 and title else None

    def _judged(self, question: str | None, topic: Topic, asked: set[str]) -> Written:
        about = tuple(str(self._pool[index].id) for index in topic.about)
        written = Written(topic.number, question or "", about, 0.0)
        if question is None:
            return replace(written, dropped=Dropped.no_question)
        passages, ranks = self._among(question, topic)
        dropped = unfit(question, ranks, asked)
        if dropped is not None:
            return replace(written, dropped=dropped)
        return self._answered(written, passages)

    def _answered(self, written: Written, passages: tuple[Passage, ...]) -> Written:
        """Have the question answered, and measure what the answer depends on."""
        try:
            task = self._task(written.question, passages, self._options.max_new_tokens)
        except ContextOverflowError:
            return replace(written, dropped=Dropped.too_long)
        answer = task.answer.text
        own = [p for p in passages if p.id in written.about]
        if not task.targets or all(is_refusal(each.text) for each in task.answer.statements):
            return replace(written, answer=answer, dropped=Dropped.refused)
        if not tells_of(answer, written.question, own):
            return replace(written, answer=answer, dropped=Dropped.empty)
        gain = _gain(task, [index for index, p in enumerate(passages) if p.id in written.about])
        if gain < math.log(self._options.least_factor):
            return replace(written, answer=answer, gain=gain, dropped=Dropped.known)
        return replace(written, answer=answer, gain=gain, passages=passages)

    def _task(
        self, question: str, passages: tuple[Passage, ...], max_new_tokens: int
    ) -> AttributionTask:
        return self._reader.task(
            question,
            passages,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            source_unit="sentence",
            on_overflow="error",
        )

    def _among(self, question: str, topic: Topic) -> tuple[tuple[Passage, ...], list[int]]:
        """Return the passages to answer from, and how many others come before each it is about."""
        [scores] = self._index.scores([question])
        order = [int(index) for index in np.argsort(-scores, kind="stable")]
        others = [index for index in order if index not in topic.about]
        ranks = [
            int((scores[others] > scores[index]).sum()) if scores[index] > 0 else len(order)
            for index in topic.about
        ]
        room = max(self._options.num_passages - len(topic.about), 0)
        chosen = sorted([*topic.about, *others[:room]])
        rng = Random(f"at2-order-{self._options.seed}-{topic.number}-{question}")
        return tuple(self._pool[index] for index in rng.sample(chosen, len(chosen))), ranks


def _gain(task: AttributionTask, own: Sequence[int]) -> float:
    """Return how far an answer's log-probability falls without some passages, in nats."""
    sources = task.answer.attribution.sources
    masks = torch.ones(2, len(sources), dtype=torch.bool)
    masks[1] = torch.tensor([source.passage_index not in own for source in sources])
    whole, without = task.ablator().ablate(masks).log_probabilities(task.targets).sum(dim=0)
    return float(whole - without)
