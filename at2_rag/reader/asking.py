"""What a reader is asked for: answers, at once or as they are written, and what they used."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from functools import partial
from typing import Literal, Unpack

from at2_rag.answer.answer import Answer
from at2_rag.answer.pruning import Pruned, PruneRule
from at2_rag.answering.background import in_async_background, in_background
from at2_rag.answering.streaming import Event, write_events
from at2_rag.documents.conversation import Message
from at2_rag.documents.passages import Passage
from at2_rag.errors import told_of
from at2_rag.model.options import AnswerOptions, DraftOptions
from at2_rag.reader.arguments import as_tuples
from at2_rag.reader.parts import Parts


class Asking(Parts):
    """Has the model answer, with citations."""

    def answer(
        self,
        question: str,
        passages: Iterable[str | Passage],
        *,
        history: Sequence[Message] = (),
        prune_to: int | None = None,
        **options: Unpack[AnswerOptions],
    ) -> Answer:
        """Answer a question from passages, with citations.

        Args:
            question: What the model is to answer.
            passages: What the retriever returned, best first; never changed.
            history: Earlier chat messages, each with ``role`` and ``content``.
            prune_to: How many passages to answer from again: those that a first draft used most,
                of copies one; with ``None``, or no more passages than that, it answers once.
            options: Any of :class:`Settings`, by name; all others go to ``model.generate``. A
                ``generation_config`` stands for the options that it sets.

        Raises:
            InputError: If an argument cannot be used, as its message says.
            ContextOverflowError: If the prompt does not fit.
            NumericalError: If the model produced NaN.
        """
        request = self._answerer.requests.make(question, passages, history, options)
        return self._answerer.complete(request, prune_to)

    def answer_batch(
        self,
        questions: Iterable[tuple[str, Iterable[str | Passage]]],
        *,
        history: Sequence[Message] = (),
        prune_to: int | None = None,
        **options: Unpack[AnswerOptions],
    ) -> list[Answer]:
        """Answer many questions, several at a time, each as :meth:`answer` would.

        Texts of like length run together, padded on the left; a batch that memory is too short for
        is halved. Scores are the same up to rounding, which can also choose between tokens that are
        as likely as each other. Sampling draws other numbers.

        Args:
            questions: The questions, each with its passages, best first.
            history: Earlier chat messages, the same for all questions.
            prune_to: As for :meth:`answer`.
            options: As for :meth:`answer`, the same for all questions; ``max_batch_tokens`` bounds
                a batch.

        Raises:
            InputError: If an argument cannot be used, which says of which question; before any is
                answered.
            ContextOverflowError: If a prompt does not fit; so, too.
            NumericalError: If the model produced NaN.
        """
        expected = "pairs of a question and its passages: [(question, passages), ...]"
        requests = []
        for index, (asked, of) in enumerate(as_tuples("questions", questions, 2, expected)):
            with told_of(f"questions[{index}]"):
                requests.append(self._answerer.requests.make(asked, of, history, options))
        return self._answerer.complete_batch(requests, prune_to)

    def stream(
        self,
        question: str,
        passages: Iterable[str | Passage],
        *,
        history: Sequence[Message] = (),
        prune_to: int | None = None,
        **options: Unpack[AnswerOptions],
    ) -> Generator[Event, None, None]:
        """Answer as :meth:`answer` does, and yield what is there as it comes.

        Pieces of a reasoning model's thoughts, before all else; pieces of text, which add up to the
        answer's; each statement right behind its last piece, as soon as it is certain that it has
        ended, while the text behind it waits; and at last the answer, up to rounding that of
        :meth:`answer`. With a ``method``, and where steps cannot be followed as with beam search,
        everything comes at the end; with ``prove`` everything but thoughts, so that statements come
        with the citations that stand.

        The model runs in a thread of its own; closing the generator stops it and waits for it.

        Args:
            question: What the model is to answer.
            passages: What the retriever returned, best first; never changed.
            history: Earlier chat messages, each with ``role`` and ``content``.
            prune_to: As for :meth:`answer`; the draft is not yielded.
            options: As for :meth:`answer`.

        Raises:
            At2Error: As :meth:`answer` does, when the first event is asked for or later.
        """
        request = partial(self._answerer.requests.make, question, passages, history, options)
        return in_background(write_events(self._answerer, request, prune_to))

    def astream(
        self,
        question: str,
        passages: Iterable[str | Passage],
        *,
        history: Sequence[Message] = (),
        prune_to: int | None = None,
        **options: Unpack[AnswerOptions],
    ) -> AsyncGenerator[Event, None]:
        """Yield what :meth:`stream` yields, and leave the event loop free meanwhile.

        Closing the generator stops the model, and so does cancelling the task. A loop that is left
        early closes it as soon as the event loop can; ``contextlib.aclosing`` does so at once.

        It takes the same arguments.
        """
        request = partial(self._answerer.requests.make, question, passages, history, options)
        return in_async_background(write_events(self._answerer, request, prune_to))

    def prune(
        self,
        question: str,
        passages: Iterable[str | Passage],
        *,
        top_k: int | None = None,
        min_share: float | None = None,
        unit: Literal["passage", "sentence"] = "passage",
        history: Sequence[Message] = (),
        **options: Unpack[DraftOptions],
    ) -> Pruned:
        """Draft an answer and keep what it used, or what the question looks at.

        Args:
            question: What the model is to answer.
            passages: What the retriever returned, best first; never changed.
            top_k: How many passages (or sentences) to keep at most; this or ``min_share`` is given.
                What says the same counts as one, and its copies are kept last.
            min_share: Least share of all positive scores with which a passage (or sentence) is
                kept, above 0 and at most 1; this or ``top_k`` is given.
            unit: What is kept or dropped: whole passages, or sentences within them.
            history: Earlier chat messages, each with ``role`` and ``content``.
            options: As for :meth:`answer`; ``rank_by="question"`` makes no draft.

        Raises:
            InputError: If an argument cannot be used, as its message says.
        """
        if unit == "sentence":
            options["source_unit"] = "sentence"
        # Before the rule: who wrote k=3 is to hear of k, and not that top_k is missing.
        request = self._answerer.requests.make(question, passages, history, options)
        return self._answerer.keep_used(request, PruneRule(top_k, min_share, unit))

    def rank(
        self,
        question: str,
        passages: Iterable[str | Passage],
        *,
        history: Sequence[Message] = (),
        **options: Unpack[AnswerOptions],
    ) -> list[tuple[int, float]]:
        """Return (passage index, score) of the passages, the best first.

        By what a drafted answer used; or with ``rank_by="question"`` by what the question looks at,
        which takes no answer. Passages that say the same count as one, and copies come last.
        Scores are comparable within one call only; what the model does not see is left out.

        Args:
            question: What the passages are to answer.
            passages: What the retriever returned; never changed.
            history: Earlier chat messages, each with ``role`` and ``content``.
            options: As for :meth:`answer`; options of ``model.generate`` are the draft's.

        Raises:
            InputError: If an argument cannot be used, as its message says; or with
                ``rank_by="question"``, if the prompt has the question before the passages.
            ContextOverflowError: If the prompt does not fit.
            NumericalError: If the model produced NaN.
        """
        asked = {"on_empty": "answer", **options}  # of nothing, the order is nothing
        request = self._answerer.requests.make(question, passages, history, asked)
        if not request.to_show:
            return []
        return self._answerer.ranked(request).usage.distinct_passages()

    def has_sources(
        self,
        passages: Iterable[str | Passage],
        *,
        history: Sequence[Message] = (),
        **options: Unpack[AnswerOptions],
    ) -> bool:
        """Tell whether a prompt about these would have anything in it to be cited.

        Without it a model answers from nothing, as only ``on_empty="answer"`` asks for, or from
        its own thoughts.

        Args:
            passages: What the retriever returned, perhaps nothing.
            history: Earlier chat messages, each with ``role`` and ``content``.
            options: Any of :class:`Settings`, by name; others are not looked at.

        Raises:
            InputError: If an argument cannot be used, as its message says.
        """
        return self._answerer.requests.has_sources(passages, history, options)
