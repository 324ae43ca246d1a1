"""What a reader does with answers that are there: cites them, proves it, and explains them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

from at2_rag.answer.answer import Answer
from at2_rag.answer.pruning import check_count
from at2_rag.answering.auditing import Audit, AuditedRow
from at2_rag.answering.engine import Shown
from at2_rag.answering.given import GivenText
from at2_rag.documents.conversation import Message
from at2_rag.documents.passages import Passage
from at2_rag.errors import InputError, told_of
from at2_rag.model.options import AnswerOptions
from at2_rag.prompt.settings import Settings, SettingsOptions
from at2_rag.reader.arguments import as_tuples, check_kind
from at2_rag.reader.parts import Parts

if TYPE_CHECKING:
    from at2_rag.ablation.task import AblationKind, AttributionTask
    from at2_rag.ablation.verification import Verification
    from at2_rag.methods.heads import AnswerHeads


class Examining(Parts):
    """Has the model read answers from anywhere, its own as well, and says what they go back to."""

    def attribute(
        self,
        question: str,
        passages: Iterable[str | Passage],
        answer: str,
        *,
        thoughts: str | None = None,
        history: Sequence[Message] = (),
        **options: Unpack[SettingsOptions],
    ) -> Answer:
        """Cite an answer from anywhere, as if this model had given it.

        Args:
            question: What the answer is an answer to.
            passages: The passages that the answer may go back to; never changed.
            answer: The answer's text, read in one pass. Thoughts of a reasoning model may stand
                before it, within their markers.
            thoughts: What was thought before the answer; ``None`` if it is in ``answer``, or
                nothing was.
            history: Earlier chat messages, each with ``role`` and ``content``.
            options: Any of :class:`Settings`, by name.

        Raises:
            InputError: If an argument cannot be used, as its message says.
            ContextOverflowError: If prompt and answer do not fit.
            NumericalError: If the model produced NaN.
        """
        request = self._answerer.requests.make(question, passages, history, options)
        return self._answerer.finish(
            self._answerer.given_reading(Shown.whole(request), answer, thoughts)
        )

    def attribute_batch(
        self,
        answers: Iterable[tuple[str, Iterable[str | Passage], str]],
        *,
        history: Sequence[Message] = (),
        **options: Unpack[SettingsOptions],
    ) -> list[Answer]:
        """Cite many answers from anywhere, several at a time, each as :meth:`attribute` would.

        Texts of like length are read together; a batch that memory is too short for is halved. On
        a processor only short ones are, since one long text is enough for it. Scores are the same
        up to rounding.

        Args:
            answers: The answers, each behind the question and the passages that it is an answer to.
            history: Earlier chat messages, the same for all questions.
            options: Any of :class:`Settings`, by name; ``max_batch_tokens`` bounds a batch.

        Raises:
            InputError: If an argument cannot be used; before any answer is read.
            ContextOverflowError: If prompt and answer do not fit; so, too.
            NumericalError: If the model produced NaN.
        """
        expected = "triples: [(question, passages, answer), ...]"
        given = []
        for index, (asked, of, text) in enumerate(as_tuples("answers", answers, 3, expected)):
            with told_of(f"answers[{index}]"):
                request = self._answerer.requests.make(asked, of, history, options)
                given.append((request, GivenText(text)))
        return self._answerer.cite_batch(given)

    def audit(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        anew: bool = False,
        prune_to: int | None = None,
        at_a_time: int = 64,
        **options: Unpack[AnswerOptions],
    ) -> Iterator[AuditedRow]:
        """Go through a log, and yield each row with its cited answer, in their order.

        A row that cannot be used comes with its error, and stops nothing. Of the log, no more is
        held than ``at_a_time`` rows.

        Args:
            rows: Mappings with ``question``, ``passages`` and ``answer``, and if wanted
                ``thoughts`` and ``history``; or with the names that data sets of Ragas and
                LangSmith have. What else is in them comes back as it is.
            anew: Whether the questions are answered by the model; else the rows' own answers are
                cited, as by :meth:`attribute`.
            prune_to: As for :meth:`answer`, where questions are answered.
            at_a_time: Among how many rows those of like length are looked for, to run together.
            options: Any of :class:`Settings`, by name, the same for all rows; where questions are
                answered, all others go to ``model.generate``.

        Raises:
            InputError: If an option cannot be used; before any row is looked at.
        """
        if prune_to is not None and not anew:
            raise InputError(
                f"prune_to is {prune_to!r}, and given answers are cited; expected anew=True with "
                "it."
            )
        check_count("at_a_time", at_a_time)
        audit = Audit(self._answerer, options, anew, prune_to)
        audit.check()
        return audit.rows(rows, at_a_time)

    def task(
        self,
        question: str,
        passages: Iterable[str | Passage],
        answer: str | None = None,
        *,
        thoughts: str | None = None,
        history: Sequence[Message] = (),
        **options: Unpack[AnswerOptions],
    ) -> AttributionTask:
        """Return an answer as something to explain, for methods and metrics.

        Args and errors are those of :meth:`attribute`, or of :meth:`answer` if ``answer`` is
        ``None``, which stands for the one that the model gives.
        """
        shown = Shown.whole(self._answerer.requests.make(question, passages, history, options))
        if answer is None:
            return self._answerer.explain(self._answerer.new_reading(shown))
        return self._answerer.explain(self._answerer.given_reading(shown, answer, thoughts))

    def verify(self, answer: Answer, *, by: AblationKind = "attention") -> Verification:
        """Really leave out what each statement cites, and measure how much less likely it gets.

        The model reads the answer as it was asked for: with the settings and the history that the
        answer keeps. Costs one forward pass per set of sources left out.

        Args:
            answer: An answer of this reader, or of another one.
            by: ``"attention"`` masks the sources and leaves all positions unchanged, as scores are
                learned; ``"removal"`` takes their text out of the prompt, as pruning does;
                ``"knockout"`` masks them for what follows all passages only, which costs least.

        Raises:
            InputError: If it is no answer or says nothing, or a citation points to no source that
                the answer's settings give.
            UnsupportedModelError: If the model has not all it takes for ``"knockout"``.
        """
        from at2_rag.ablation.verification import verify  # which answering never needs

        return verify(self._again(answer), answer.statements, by)

    def heads(self, answer: Answer) -> AnswerHeads:
        """Look at where each attention head looked while an answer was said, to find faults.

        The model reads the answer once more. ``heads.top(10)`` are the heads that matter most for
        it, and ``heads.to_html()`` is a page with all of them.

        Args:
            answer: An answer of this reader, or of another one of the same model.

        Raises:
            InputError: If it is no answer, or says nothing.
        """
        from at2_rag.methods.heads import answer_heads  # which answering never needs

        return answer_heads(self._again(answer), self.estimator)

    def _again(self, answer: Answer) -> AttributionTask:
        """Return an answer as something to explain, read as it was asked for.

        Raises:
            InputError: If it is no answer, or says nothing.
        """
        check_kind("answer", answer, (Answer,))
        if not (answer.text or answer.thoughts):
            raise InputError(
                "The answer says nothing, so there is nothing to explain; expected one with text."
            )
        own = [passage for passage in answer.passages if passage.kind == "passage"]
        for index, length in answer.shortened:
            own[index] = replace(own[index], text=own[index].text[:length])
        options = {name: getattr(answer.settings, name) for name in Settings.names()}
        options["on_overflow"] = "error"  # nothing but what the model saw is to be left out
        request = self._answerer.requests.make(answer.question, own, answer.history, options)
        # Empty, not None: a response that quotes a marker is no place to look for thoughts.
        thoughts = "" if answer.thoughts is None else answer.thoughts.text
        reading = self._answerer.given_reading(Shown(request, answer.kept), answer.text, thoughts)
        return self._answerer.explain(reading)
