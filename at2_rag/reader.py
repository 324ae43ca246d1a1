"""The reader: a local model that answers from passages and says which of them it used."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from pathlib import Path
from typing import Any, Literal

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from at2_rag.ablation.task import AblationKind, AttributionTask
from at2_rag.ablation.verification import Verification, verify
from at2_rag.answer.answer import Answer
from at2_rag.answer.pruning import Pruned, PruneRule
from at2_rag.answering.drafting import Answering
from at2_rag.answering.engine import Engine
from at2_rag.answering.streaming import AnswerWriter, Event
from at2_rag.attention.recording import capture_of
from at2_rag.background import in_async_background, in_background
from at2_rag.documents.conversation import Message
from at2_rag.documents.passages import Passage
from at2_rag.estimators import ScoreEstimator
from at2_rag.estimators.download import HubAccess
from at2_rag.known_estimators import AUTO
from at2_rag.methods import AttributionMethod
from at2_rag.model.loading import load_demo_estimator, load_demo_model, load_estimator, load_model
from at2_rag.model.recorded_model import RecordedModel
from at2_rag.notices import warn_of_average_attention, warn_of_plain_prompts
from at2_rag.prompt.settings import Settings, refuse_unknown


class Reader:
    """Answers from passages with a local model, and attributes what it said to them.

    One reader can be used by several threads at a time.

    Args:
        model: A decoder-only language model of transformers. It is put into evaluation mode and
            its attention made recordable; what it computes stays the same.
        tokenizer: Its fast tokenizer.
        estimator: Coefficients for this model; ``"auto"`` for those that can be found for it,
            and any other text or path for where to load them from; ``None`` is average
            attention, with a warning.
        settings: Defaults for all calls.
        method: What scores the sources instead of the estimator, such as
            ``at2_rag.methods.SurrogateMethod()``; scores and ``min_score`` are in its own unit.
        options: Single settings, by name, instead of ``settings``.

    Raises:
        UnsupportedModelError: If the model's attention weights cannot be had exactly.
        EstimatorMismatchError: If the estimator is for another model.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        estimator: ScoreEstimator | str | Path | None = None,
        settings: Settings | None = None,
        *,
        method: AttributionMethod | None = None,
        **options: Any,
    ) -> None:
        model.eval()
        capture = capture_of(model)
        if isinstance(estimator, str | Path):
            estimator = load_estimator(estimator, model, stacklevel=3)
        if estimator is None:
            estimator = ScoreEstimator.uniform(model)
            if method is None:
                warn_of_average_attention(stacklevel=2)
        warn_of_plain_prompts(model, tokenizer, stacklevel=2)
        estimator.check_fits(capture.shape)
        self.model = model
        self.tokenizer = tokenizer
        self.estimator = estimator
        self.method = method
        self.settings, unknown = (settings or Settings()).override(options)
        refuse_unknown(unknown)
        self._engine = Engine(RecordedModel(model, capture, estimator), tokenizer)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        estimator: ScoreEstimator | str | Path | None = AUTO,
        settings: Settings | None = None,
        **options: Any,
    ) -> Reader:
        """Load a model and its tokenizer by hub id or folder.

        Args:
            name: Hub id or folder.
            estimator: Coefficients, or the folder, file or hub id to load them from. ``"auto"``
                looks beside the model (in a folder ``at2_estimator``), in the hub's cache, and
                at the hub where some are published for this model; it takes seconds at most,
                and where none can be had, it is average attention, with a warning.
            settings: Defaults for all calls.
            options: Passed to ``AutoModelForCausalLM.from_pretrained`` (``dtype``,
                ``device_map``, ``revision``, …).

        Raises:
            OSError: If there is no such model, from transformers.
            UnsupportedModelError: If it is no decoder, or its attention cannot be had exactly.
        """
        model, tokenizer = load_model(name, options)
        if isinstance(estimator, str | Path):
            access = HubAccess.of(options)
            estimator = load_estimator(estimator, model, access, stacklevel=3)
        return cls(model, tokenizer, estimator, settings)

    @classmethod
    def demo(cls, **options: Any) -> Reader:
        """Load the small model inside this package; it knows made-up worlds and nothing else.

        Args:
            options: Settings, by name.
        """
        model, tokenizer = load_demo_model()
        return cls(model, tokenizer, load_demo_estimator(), **options)

    @property
    def name(self) -> str:
        """The model's name, as it was loaded."""
        return str(self.model.config.name_or_path or type(self.model).__name__)

    def answer(
        self,
        question: str,
        passages: Sequence[str | Passage],
        *,
        history: Sequence[Message] = (),
        prune_to: int | None = None,
        **options: Any,
    ) -> Answer:
        """Answer a question from passages, with citations.

        Args:
            question: The question.
            passages: What the retriever returned, best first; never changed.
            history: Earlier chat messages, each with ``role`` and ``content``.
            prune_to: Answer first as a draft, keep so many most used passages, answer again.
            options: Any of :class:`Settings`, by name; all others go to ``model.generate``.

        Raises:
            InputError: If an argument cannot be used, as its message says.
            ContextOverflowError: If the prompt does not fit.
            NumericalError: If the model produced NaN.
        """
        return self._answering.answer(
            *self._answering.asked(question, passages, history, options), prune_to
        )

    def answer_batch(
        self,
        questions: Sequence[tuple[str, Sequence[str | Passage]]],
        *,
        history: Sequence[Message] = (),
        prune_to: int | None = None,
        **options: Any,
    ) -> list[Answer]:
        """Answer many questions, several at a time, each as :meth:`answer` would.

        Texts of like length run together, padded on the left; a batch that memory is too short for
        is halved. Scores are the same up to rounding, which can also choose between tokens that are
        as likely as each other. Sampling draws other numbers.

        Args:
            questions: Each with its passages.
            history: Earlier chat messages, of all.
            prune_to: As for :meth:`answer`.
            options: As for :meth:`answer`, of all; ``max_batch_tokens`` bounds a batch.

        Raises:
            InputError: If an argument cannot be used; before any question is answered.
            ContextOverflowError: If a prompt does not fit; so, too.
            NumericalError: If the model produced NaN.
        """
        answering = self._answering
        asked = [answering.asked(*question, history, options) for question in questions]
        makers = [maker for maker, _ in asked]
        generate = asked[0][1] if asked else {}
        return answering.answer_batch(makers, generate, prune_to)

    def stream(
        self,
        question: str,
        passages: Sequence[str | Passage],
        *,
        history: Sequence[Message] = (),
        prune_to: int | None = None,
        **options: Any,
    ) -> Generator[Event, None, None]:
        """Answer as :meth:`answer` does, and yield what is there as it comes.

        Pieces of a reasoning model's thoughts, before all else; pieces of text, which add up to the
        answer's; each statement right behind its last piece, as soon as it is certain that it has
        ended, while the text behind it waits; and at last the answer, up to rounding that of
        :meth:`answer`. With a ``method``, and where steps cannot be followed as with beam search,
        everything comes at the end.

        The model runs in a thread of its own; closing the generator stops it and waits for it.

        Args:
            question: The question.
            passages: What the retriever returned, best first; never changed.
            history: Earlier chat messages, each with ``role`` and ``content``.
            prune_to: As for :meth:`answer`; the draft is not yielded.
            options: As for :meth:`answer`.

        Raises:
            At2Error: As :meth:`answer` does, when the first event is asked for or later.
        """
        asked = question, passages, history, options
        return in_background(AnswerWriter.of(self._answering, asked, prune_to))

    def astream(
        self,
        question: str,
        passages: Sequence[str | Passage],
        *,
        history: Sequence[Message] = (),
        prune_to: int | None = None,
        **options: Any,
    ) -> AsyncGenerator[Event, None]:
        """Yield what :meth:`stream` yields, and leave the event loop free meanwhile.

        Closing the generator stops the model, and so does cancelling the task. A loop that is left
        early closes it as soon as the event loop can; ``contextlib.aclosing`` does so at once.

        It takes the same arguments.
        """
        asked = question, passages, history, options
        return in_async_background(AnswerWriter.of(self._answering, asked, prune_to))

    def attribute(
        self,
        question: str,
        passages: Sequence[str | Passage],
        answer: str,
        *,
        thoughts: str | None = None,
        history: Sequence[Message] = (),
        **options: Any,
    ) -> Answer:
        """Cite an answer from anywhere, as if this model had given it.

        Args:
            question: The question.
            passages: The passages.
            answer: The answer's text, read in one pass. Thoughts of a reasoning model may stand
                before it, within their markers.
            thoughts: The thoughts, if they are not in ``answer``.
            history: Earlier chat messages.
            options: Any of :class:`Settings`, by name.

        Raises:
            InputError: If an argument cannot be used, as its message says.
            ContextOverflowError: If prompt and answer do not fit.
            NumericalError: If the model produced NaN.
        """
        maker, unknown = self._answering.asked(question, passages, history, options)
        refuse_unknown(unknown)
        return self._answering.finish(self._engine.read(maker, maker.readable, answer, thoughts))

    def task(
        self,
        question: str,
        passages: Sequence[str | Passage],
        answer: str | None = None,
        *,
        thoughts: str | None = None,
        history: Sequence[Message] = (),
        **options: Any,
    ) -> AttributionTask:
        """Return an answer as something to explain, for methods and metrics.

        Args and errors are those of :meth:`attribute`, or of :meth:`answer` if ``answer`` is
        ``None``, which stands for the one that the model gives.
        """
        maker, generate = self._answering.asked(question, passages, history, options)
        if answer is None:
            reading = self._engine.answer(maker, maker.readable, generate)
        else:
            refuse_unknown(generate)
            reading = self._engine.read(maker, maker.readable, answer, thoughts)
        return self._answering.task(reading)

    def verify(
        self,
        answer: Answer,
        *,
        by: AblationKind = "attention",
        history: Sequence[Message] = (),
        **options: Any,
    ) -> Verification:
        """Really leave out what each statement cites, and measure how much less likely it gets.

        Costs one forward pass per set of sources left out.

        Args:
            answer: An answer of this reader.
            by: ``"attention"`` masks the sources and leaves all positions unchanged, as scores are
                learned; ``"removal"`` takes their text out of the prompt, as pruning does.
            history: Earlier chat messages, as for the answer.
            options: Any of :class:`Settings`, as for the answer.

        Raises:
            InputError: If a citation points to no source under these options.
        """
        own = [passage for passage in answer.passages if passage.kind == "passage"]
        maker, unknown = self._answering.asked(answer.question, own, history, options)
        refuse_unknown(unknown)
        # Empty, not None: a response that quotes a marker is no place to look for thoughts.
        thoughts = "" if answer.thoughts is None else answer.thoughts.text
        task = self._answering.task(self._engine.read(maker, answer.kept, answer.text, thoughts))
        return verify(task, answer.statements, by)

    def prune(
        self,
        question: str,
        passages: Sequence[str | Passage],
        *,
        top_k: int | None = None,
        min_share: float | None = None,
        unit: Literal["passage", "sentence"] = "passage",
        history: Sequence[Message] = (),
        **options: Any,
    ) -> Pruned:
        """Draft an answer and keep what it used.

        Args:
            question: The question.
            passages: What the retriever returned, best first; never changed.
            top_k: Number of passages (or sentences) to keep.
            min_share: Keep those with at least this share of all positive scores instead.
            unit: Drop whole passages, or sentences within them.
            history: Earlier chat messages.
            options: As for :meth:`answer`.

        Raises:
            InputError: If an argument cannot be used, as its message says.
        """
        rule = PruneRule(top_k, min_share, unit)
        if unit == "sentence":
            options["source_unit"] = "sentence"
        return self._answering.prune(
            rule, *self._answering.asked(question, passages, history, options)
        )

    @property
    def _answering(self) -> Answering:
        return Answering(self._engine, self.name, self.estimator, self.settings, self.method)
