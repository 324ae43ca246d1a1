"""From a question to a cited answer: drafting, keeping what the draft used, answering again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from at2_rag.answer.answer import Answer
from at2_rag.answer.pruning import Pruned, PruneRule, Ranked, check_count
from at2_rag.answering.engine import Engine, Shown, Watch
from at2_rag.answering.given import GivenText
from at2_rag.answering.reading import Reading
from at2_rag.answering.requests import RequestMaker
from at2_rag.answering.written import Written
from at2_rag.errors import told_of
from at2_rag.estimators import ScoreEstimator
from at2_rag.prompt.maker import PromptMaker
from at2_rag.prompt.request import Request
from at2_rag.prompt.settings import Settings, refuse_unknown

if TYPE_CHECKING:
    from at2_rag.ablation.task import AttributionTask
    from at2_rag.methods import AttributionMethod


@dataclass(frozen=True)
class Answerer:
    """A model that answers, and what its answers are cited with.

    Attributes:
        engine: The model that answers, with its tokenizer.
        estimator: What attention is weighted by, and sources are scored with.
        settings: Settings of all questions that bring none of their own.
        method: What scores the sources instead of the estimator; ``None`` for the estimator.
    """

    engine: Engine
    estimator: ScoreEstimator
    settings: Settings
    method: AttributionMethod | None = None

    @property
    def requests(self) -> RequestMaker:
        """What makes requests of what callers ask."""
        return RequestMaker(self.engine.recorded.model, self.engine.tokenizer, self.settings)

    def complete(
        self,
        request: Request,
        prune_to: int | None = None,
        watch: Watch | None = None,
        on_written: Callable[[Written], None] | None = None,
    ) -> Answer:
        """Have the model answer, twice if passages are to be pruned.

        Args:
            request: The question, with its passages and settings.
            prune_to: How many passages to answer from again: those that a first draft used most;
                with ``None``, or no more passages than that, it answers once.
            watch: Follows the answer; of a draft it is told the steps only. What it raises ends
                the generation.
            on_written: Called with what is written when all of it is, before it is run again; not
                of a draft.

        Raises:
            InputError: If ``prune_to`` is no number of passages.
        """
        if prune_to is None or not _has_more(request, prune_to):
            return self._written(Shown.whole(request), watch, on_written)
        found = self.ranked(request, _blind(watch))
        again = self._written(Shown(request, found.best(prune_to)), watch, on_written)
        return _told(again, found)

    def complete_batch(
        self, requests: Sequence[Request], prune_to: int | None = None
    ) -> list[Answer]:
        """Have the model answer several at a time, each twice if passages are to be pruned.

        Args:
            requests: The questions, with their passages; all with the same settings and options of
                generation.
            prune_to: As for :meth:`complete`.

        Raises:
            InputError: If ``prune_to`` is no number of passages.
        """
        pruned = [] if prune_to is None else [_has_more(each, prune_to) for each in requests]

        def written(shown: list[Shown]) -> list[Reading]:
            return self.engine.generate_readings(shown, self.estimator.weightings)

        whole = [Shown.whole(request) for request in requests]
        if prune_to is None or not any(pruned):
            return [self.finish(reading) for reading in written(whole)]
        several = [i for i, more in enumerate(pruned) if more]
        if requests[0].settings.rank_by == "question":
            found = {i: self.ranked(requests[i]) for i in several}
            readings: dict[int, Reading] = {}
        else:
            readings = dict(enumerate(written(whole)))
            found = {i: Ranked.by_draft(self.cited(readings[i])) for i in several}
        for i, ranked in found.items():
            whole[i] = Shown(requests[i], ranked.best(prune_to))
        wanted = [i for i in range(len(requests)) if i in found or i not in readings]
        readings |= dict(zip(wanted, written([whole[i] for i in wanted]), strict=True))
        answers = [self.finish(readings[i]) for i in range(len(requests))]
        return [_told(a, found[i]) if i in found else a for i, a in enumerate(answers)]

    def ranked(self, request: Request, watch: Watch | None = None) -> Ranked:
        """Rank the passages by what a draft used, or by what the question looks at.

        Args:
            request: The question, with its passages and settings.
            watch: Called after each step of a draft; what it raises ends it.

        Raises:
            InputError: If the prompt is not one in which a question looks at passages.
        """
        shown = Shown.whole(request)
        if request.settings.rank_by == "draft":
            return Ranked.by_draft(self.cited(self.new_reading(shown, watch)))
        from at2_rag.answering.looking import ranked_by_question  # loads what ablates

        return ranked_by_question(self.engine, shown, self.estimator)

    def keep_used(self, request: Request, rule: PruneRule) -> Pruned:
        """Have the model rank passages, and keep the best.

        Args:
            request: The question, with its passages and settings.
            rule: How much to keep, and whether of passages or of sentences.
        """
        return self.ranked(request).pruned(PromptMaker.of(self.engine.tokenizer, request), rule)

    def given_reading(self, shown: Shown, answer: str, thoughts: str | None) -> Reading:
        """Have the model read an answer that is given.

        Args:
            shown: The question without options of generation, and which of its passages to show.
            answer: The answer's text; a reasoning model's with markers and thoughts, or without.
            thoughts: What was thought before the answer; ``None`` if it is in the answer's text, or
                nothing was.

        Raises:
            InputError: If there are options of generation, or there is no text.
        """
        refuse_unknown(shown.request.generation)
        return self.engine.read_given(shown, self.estimator, answer, thoughts)

    def cite_batch(self, given: Sequence[tuple[Request, GivenText]]) -> list[Answer]:
        """Have the model read several given answers at a time, and cite each.

        Args:
            given: The questions without options of generation, all with the same settings, and the
                answer to each.

        Raises:
            InputError: If there are options of generation, or an answer has no text.
            ContextOverflowError: If prompt and answer do not fit; before any is read.
            NumericalError: If the model produced NaN.
        """
        unread = []
        for index, (request, told) in enumerate(given):
            refuse_unknown(request.generation)
            with told_of(f"answers[{index}]"):
                unread.append(self.engine.prepare(Shown.whole(request), told))
        readings = self.engine.read_all_given(unread, self.estimator)
        return [self.finish(reading) for reading in readings]

    def new_reading(self, shown: Shown, watch: Watch | None = None) -> Reading:
        """Have the model write an answer.

        Args:
            shown: What was asked, and the passages to show.
            watch: Called after each step with the answer so far; what it raises ends it.
        """
        return self.engine.generate_reading(shown, self.estimator.weightings, watch)

    def finish(self, reading: Reading) -> Answer:
        """Return the answer with its citations, proven and held against the passages if wanted."""
        answer, settings = self.cited(reading), reading.request.settings
        if settings.prove is not None:
            answer = self._proven(reading, answer)
        if settings.groundedness:
            from at2_rag.ablation.groundedness import with_ungrounded_words  # loads what ablates

            answer = with_ungrounded_words(self._task(reading, answer))
        return answer

    def _proven(self, reading: Reading, answer: Answer) -> Answer:
        from at2_rag.ablation.proof import Proof  # which only who proves needs

        settings, calibration = reading.request.settings, None
        if self.method is None:
            calibration = self.estimator.calibration(settings.source_unit)
        return Proof.of(self._task(reading, answer), settings).run(calibration).answer

    def cited(self, reading: Reading) -> Answer:
        """Return the answer with its citations by scores."""
        settings = reading.request.settings
        method = self.method_for(settings)
        if method is None:
            return self._scored(reading)
        from at2_rag.methods import answer_by  # which who answers by attention alone never needs

        task = self.explain(reading)
        found = answer_by(method, task, settings)
        return found if method is self.method else _judged_by(task.answer, found)

    def method_for(self, settings: Settings) -> AttributionMethod | None:
        """Return what scores the sources of an answer; ``None`` for the estimator alone.

        Args:
            settings: Settings of the question.
        """
        if self.method is not None or settings.score_by == "attention":
            return self.method
        from at2_rag.methods import KnockoutGradientMethod  # loads what ablates

        return KnockoutGradientMethod()

    def explain(self, reading: Reading) -> AttributionTask:
        """Return the answer as something to explain."""
        return self._task(reading, self._scored(reading))

    def _task(self, reading: Reading, answer: Answer) -> AttributionTask:
        from at2_rag.answering.explaining import attribution_task  # loads what ablates

        return attribution_task(self.engine.recorded.model, reading, answer)

    def _written(
        self, shown: Shown, watch: Watch | None, on_written: Callable[[Written], None] | None
    ) -> Answer:
        reading = self.new_reading(shown, watch)
        if on_written is not None:
            on_written(reading.written)
        return self.finish(reading)

    def _scored(self, reading: Reading) -> Answer:
        return reading.cited_answer(self.engine.recorded.name, self.estimator)


def _judged_by(scored: Answer, cited: Answer) -> Answer:
    """Return an answer with the verdicts of another, where that has any.

    What a statement looks at tells better whether passages say it, and what it owes to them, which.

    Args:
        scored: The answer as the estimator scores it.
        cited: The answer as a method cites it.
    """
    judged = [
        other if own.supported is None else replace(other, supported=own.supported)
        for own, other in zip(scored.statements, cited.statements, strict=True)
    ]
    return replace(cited, statements=tuple(judged))


def _has_more(request: Request, prune_to: int) -> bool:
    """Whether there are more passages to read than are to be pruned to."""
    check_count("prune_to", prune_to)
    return len(request.to_show) > prune_to


def _told(answer: Answer, ranked: Ranked) -> Answer:
    """Return an answer from the best passages with what is known of how they were found."""
    return replace(answer, draft=ranked.draft, dropped=ranked.dropped)


def _blind(watch: Watch | None) -> Watch | None:
    return None if watch is None else lambda _: watch(None)
