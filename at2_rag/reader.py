"""The reader: a local model that answers from passages and says which of them it used."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from reprlib import repr as short
from typing import TYPE_CHECKING, Any, Literal, Unpack

from torch.nn import Module
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from at2_rag.answer.answer import Answer
from at2_rag.answer.pruning import Pruned, PruneRule, check_count
from at2_rag.answering.answerer import Answerer
from at2_rag.answering.auditing import Audit, AuditedRow
from at2_rag.answering.background import in_async_background, in_background
from at2_rag.answering.engine import Engine, Shown
from at2_rag.answering.given import GivenText
from at2_rag.answering.parts import Parts
from at2_rag.answering.streaming import Event, write_events
from at2_rag.documents.conversation import Message
from at2_rag.documents.passages import Passage
from at2_rag.errors import InputError, told_of
from at2_rag.estimators import ScoreEstimator
from at2_rag.estimators.download import HubAccess
from at2_rag.known_estimators import AUTO, AVERAGE
from at2_rag.model.loading import load_demo_estimator, load_demo_model, load_estimator, load_model
from at2_rag.model.number_format import tell_of_slow_format
from at2_rag.model.options import AnswerOptions, DraftOptions, LoadingOptions
from at2_rag.model.pipelines import model_of
from at2_rag.model.recorded_model import RecordedModel
from at2_rag.notices import warn_of_other_prompt, warn_of_plain_prompts
from at2_rag.prompt.settings import (
    Settings,
    SettingsOptions,
    refuse_nearly_settings,
    refuse_unknown,
    settings_for,
)

if TYPE_CHECKING:
    from at2_rag.ablation.task import AblationKind, AttributionTask
    from at2_rag.ablation.verification import Verification
    from at2_rag.methods import AttributionMethod
    from at2_rag.methods.heads import AnswerHeads


class Reader(Parts):
    """Answers from passages with a local model, and attributes what it said to them.

    One reader can be used by several threads at a time.

    Args:
        model: A decoder-only language model of transformers. It is put into evaluation mode and
            its attention made recordable; what it computes stays the same.
        tokenizer: The model's fast tokenizer.
        estimator: What turns attention into scores: an estimator, or the folder, file or hub id
            to load one from. ``"auto"``, the default, takes learned coefficients where they can be
            found, and else probes the model for heads that read, once; ``"average"`` is average
            attention.
        settings: Settings of all calls that name no others; ``None`` for the defaults of
            :class:`Settings`, and what the model's own files say otherwise: ``max_new_tokens`` in
            its ``generation_config``, and the name of a template as ``at2_prompt`` in its
            ``config``.
        method: What scores the sources instead of the estimator: a method such as
            ``at2_rag.methods.SurrogateMethod()``, or the name of one, such as ``"at2+bm25"``, which
            blends the estimator's scores with word overlap. Scores and ``min_score`` are in the
            method's own unit.
        options: Single settings, by name, that replace those of ``settings``.

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
        method: AttributionMethod | str | None = None,
        **options: Unpack[SettingsOptions],
    ) -> None:
        _check_parts(model, tokenizer)
        _check_method(method)
        model.eval()
        recorded = RecordedModel(model)
        if estimator is None:
            # A method that comes by name may be made of the estimator.
            estimator = AUTO if method is None or isinstance(method, str) else AVERAGE
        _check_kind("estimator", estimator, (ScoreEstimator, str, Path))
        _check_kind("settings", settings, (Settings, type(None)))
        own, unknown = (settings or settings_for(model)).override(options)
        refuse_unknown(unknown)
        if isinstance(estimator, str | Path):
            estimator = load_estimator(estimator, model, tokenizer, prompt=own.prompt, stacklevel=3)
        warn_of_plain_prompts(model, tokenizer, stacklevel=2)
        estimator.check_fits(recorded.shape)
        _warn_of_other_prompt(estimator, own)
        if isinstance(method, str):
            method = _by_name(method, estimator)
        self._answerer = Answerer(Engine(recorded, tokenizer), estimator, own, method)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        estimator: ScoreEstimator | str | Path | None = AUTO,
        settings: Settings | None = None,
        *,
        method: AttributionMethod | str | None = None,
        **options: Unpack[LoadingOptions],
    ) -> Reader:
        """Load a model and its tokenizer by hub id or folder, or from a GGUF file.

        Args:
            name: Hub id or folder of the model; or a GGUF file, whatever its name, as llama.cpp and
                ollama keep them. Its tokenizer and chat template come with it, and its weights are
                unpacked. A folder with one such file and no ``config.json`` stands for it.
            estimator: An estimator, or the folder, file or hub id to load one from. ``"auto"``
                looks beside the model (in a folder ``at2_estimator``), in the hub's cache, and at
                the hub where one is published for this model; where none can be had, the model is
                probed for heads that read: some 20 passes, once. ``"average"`` is average
                attention.
            settings: Settings of all calls that name no others; ``None`` for the defaults of
                :class:`Settings` and what the model's own files say otherwise.
            method: What scores the sources instead of the estimator: a method, or the name of one.
            options: Single settings, by name, that replace those of ``settings``; and options for
                ``AutoModelForCausalLM.from_pretrained`` (``dtype``, ``device_map``, ``revision``,
                …). Without a ``dtype``, or with ``"auto"``, weights are in the type of the
                checkpoint, in bfloat16 from a GGUF file, and in float32 on a processor that is
                slow with these, if memory allows.

        Raises:
            InputError: If the name can only be a path, and nothing is there; or if it is a folder
                with several GGUF files, or without a model.
            OSError: If there is no such model, from transformers.
            UnsupportedModelError: If it is no decoder, or its attention cannot be had exactly.
            MissingExtraError: If it is a GGUF file, and what reads them is not installed.
        """
        _check_kind("name", name, (str, Path))
        _check_kind("settings", settings, (Settings, type(None)))
        _check_method(method)
        _, loading = (settings or Settings()).override(options)
        refuse_nearly_settings(loading)
        model, tokenizer = load_model(name, loading)
        own, _ = (settings or settings_for(model)).override(options)
        if isinstance(estimator, str | Path):
            access = HubAccess.of(loading)
            estimator = load_estimator(
                estimator, model, tokenizer, access, prompt=own.prompt, stacklevel=3
            )
        return cls(model, tokenizer, estimator, own, method=method)

    @classmethod
    def from_pipeline(
        cls,
        pipeline: object,
        estimator: ScoreEstimator | str | Path | None = AUTO,
        settings: Settings | None = None,
        *,
        method: AttributionMethod | str | None = None,
        **options: Unpack[SettingsOptions],
    ) -> Reader:
        """Take a model that is loaded already, with its tokenizer, out of what runs it.

        Both are shared, not copied, and the pipeline goes on as before. What else it has, such as
        how long its answers are or how they are sampled, is left behind.

        Args:
            pipeline: A pipeline of transformers, ``HuggingFacePipeline`` or ``ChatHuggingFace`` of
                LangChain, or ``HuggingFaceLLM`` of LlamaIndex.
            estimator: As for :meth:`from_pretrained`.
            settings: Settings of all calls that name no others; ``None`` for the defaults of
                :class:`Settings` and what the model's own files say otherwise.
            method: As for :meth:`from_pretrained`.
            options: Single settings, by name, that replace those of ``settings``.

        Raises:
            InputError: If no model is in it, such as in what asks an API.
            UnsupportedModelError: If it is no decoder, or its attention cannot be had exactly.
        """
        model, tokenizer = model_of(pipeline)
        tell_of_slow_format(model, stacklevel=2)
        if isinstance(estimator, str | Path):
            own, _ = (settings or settings_for(model)).override(options)
            estimator = load_estimator(estimator, model, tokenizer, prompt=own.prompt, stacklevel=3)
        return cls(model, tokenizer, estimator, settings, method=method, **options)

    @classmethod
    def demo(
        cls,
        *,
        method: AttributionMethod | str | None = None,
        **options: Unpack[SettingsOptions],
    ) -> Reader:
        """Load the small model inside this package; it knows made-up worlds and nothing else.

        Args:
            method: As for :meth:`from_pretrained`.
            options: Single settings, by name.
        """
        model, tokenizer = load_demo_model()
        return cls(model, tokenizer, load_demo_estimator(), method=method, **options)

    def with_options(
        self,
        *,
        estimator: ScoreEstimator | str | Path | None = None,
        method: AttributionMethod | str | None = None,
        settings: Settings | None = None,
        **options: Unpack[SettingsOptions],
    ) -> Reader:
        """Return a reader of the same model that differs in what is given, and in nothing else.

        Args:
            estimator: Other coefficients, or where to load them from; ``None`` keeps the reader's.
            method: Another method that scores the sources, or the name of one; ``"estimator"`` for
                none, so that the estimator does; ``None`` keeps the reader's.
            settings: Other settings of all calls that name none; ``None`` keeps the reader's.
            options: Single settings, by name, that replace those of ``settings`` or the reader's.

        Raises:
            InputError: If an option is no setting, or cannot be used.
            EstimatorMismatchError: If the estimator is for another model.
        """
        old = self._answerer
        _check_kind("estimator", estimator, (ScoreEstimator, str, Path, type(None)))
        _check_kind("settings", settings, (Settings, type(None)))
        own, unknown = (settings or old.settings).override(options)
        refuse_unknown(unknown)
        if isinstance(estimator, str | Path):
            estimator = load_estimator(
                estimator, self.model, self.tokenizer, prompt=own.prompt, stacklevel=3
            )
        if estimator is not None:
            estimator.check_fits(old.engine.recorded.shape)
        if estimator is not None or own.prompt != old.settings.prompt:
            _warn_of_other_prompt(estimator or old.estimator, own)
        estimator = estimator or old.estimator
        if method is None:
            method = old.method
        elif isinstance(method, str):
            method = None if method == "estimator" else _by_name(method, estimator)
        changed = copy(self)
        changed._answerer = replace(old, estimator=estimator, method=method, settings=own)
        return changed

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
        request = self._answerer.request(question, passages, history, options)
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
        for index, (asked, of) in enumerate(_as_tuples("questions", questions, 2, expected)):
            with told_of(f"questions[{index}]"):
                requests.append(self._answerer.request(asked, of, history, options))
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
        request = partial(self._answerer.request, question, passages, history, options)
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
        request = partial(self._answerer.request, question, passages, history, options)
        return in_async_background(write_events(self._answerer, request, prune_to))

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
        request = self._answerer.request(question, passages, history, options)
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
        for index, (asked, of, text) in enumerate(_as_tuples("answers", answers, 3, expected)):
            with told_of(f"answers[{index}]"):
                request = self._answerer.request(asked, of, history, options)
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
        shown = Shown.whole(self._answerer.request(question, passages, history, options))
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
            InputError: If it is no answer, or a citation points to no source that the answer's
                settings give.
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
            InputError: If it is no answer.
        """
        from at2_rag.methods.heads import answer_heads  # which answering never needs

        return answer_heads(self._again(answer), self.estimator)

    def _again(self, answer: Answer) -> AttributionTask:
        """Return an answer as something to explain, read as it was asked for.

        Raises:
            InputError: If it is no answer.
        """
        _check_kind("answer", answer, (Answer,))
        own = [passage for passage in answer.passages if passage.kind == "passage"]
        for index, length in answer.shortened:
            own[index] = replace(own[index], text=own[index].text[:length])
        options = {name: getattr(answer.settings, name) for name in Settings.names()}
        options["on_overflow"] = "error"  # nothing but what the model saw is to be left out
        request = self._answerer.request(answer.question, own, answer.history, options)
        # Empty, not None: a response that quotes a marker is no place to look for thoughts.
        thoughts = "" if answer.thoughts is None else answer.thoughts.text
        reading = self._answerer.given_reading(Shown(request, answer.kept), answer.text, thoughts)
        return self._answerer.explain(reading)

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
        return self._answerer.has_sources(passages, history, options)

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
        """Draft an answer and keep what it used.

        Args:
            question: What the model is to answer.
            passages: What the retriever returned, best first; never changed.
            top_k: How many passages (or sentences) to keep at most; this or ``min_share`` is given.
                What says the same counts as one, and its copies are kept last.
            min_share: Least share of all positive scores with which a passage (or sentence) is
                kept, above 0 and at most 1; this or ``top_k`` is given.
            unit: What is kept or dropped: whole passages, or sentences within them.
            history: Earlier chat messages, each with ``role`` and ``content``.
            options: As for :meth:`answer`.

        Raises:
            InputError: If an argument cannot be used, as its message says.
        """
        if unit == "sentence":
            options["source_unit"] = "sentence"
        # Before the rule: who wrote k=3 is to hear of k, and not that top_k is missing.
        request = self._answerer.request(question, passages, history, options)
        return self._answerer.keep_used(request, PruneRule(top_k, min_share, unit))


def _as_tuples(name: str, values: object, length: int, expected: str) -> list[Any]:
    """Return what a caller gave several of, each a tuple.

    Args:
        name: What the argument is called.
        values: What was given.
        length: How many values each tuple has.
        expected: What the tuples hold, in words.

    Raises:
        InputError: If they are something else.
    """
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        raise InputError(f"{name} is a {type(values).__name__}; expected {expected}.")
    found = list(values)
    for index, value in enumerate(found):
        if not isinstance(value, tuple | list) or len(value) != length:
            raise InputError(f"{name}[{index}] is {short(value)}; expected {expected}.")
    return found


def _warn_of_other_prompt(estimator: ScoreEstimator, settings: Settings) -> None:
    """Warn whoever makes a reader if its scores or thresholds were learned with another prompt."""
    calibration = estimator.calibration(settings.source_unit)
    measured = () if calibration is None else calibration.prompts
    warn_of_other_prompt(settings.prompt.message, estimator.prompts, measured, stacklevel=3)


def _check_parts(model: object, tokenizer: object) -> None:
    """Raise ``InputError`` for what is no model or tokenizer of transformers, or is compiled."""
    if not isinstance(model, Module):
        raise InputError(
            f"model is a {type(model).__name__}; expected a model of transformers. "
            "Reader.from_pretrained takes hub ids and folders."
        )
    if not hasattr(tokenizer, "is_fast"):
        raise InputError(
            f"tokenizer is a {type(tokenizer).__name__}; expected the model's fast tokenizer, from "
            "AutoTokenizer.from_pretrained."
        )
    if hasattr(model, "_orig_mod") or getattr(model, "_compiled_call_impl", None):
        raise InputError(
            "The model was compiled by torch, and its attention cannot be followed; expected the "
            "model itself, as from_pretrained returns it."
        )


def _check_kind(name: str, value: object, kinds: tuple[type, ...]) -> None:
    """Raise ``InputError`` unless an argument is of one of these kinds."""
    if not isinstance(value, kinds):
        expected = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
        raise InputError(f"{name} is a {type(value).__name__}; expected {expected}.")


def _check_method(method: object) -> None:
    """Raise ``InputError`` at the name of no method, before a model is probed for its heads."""
    if isinstance(method, str):
        from at2_rag.methods import check_method_name  # as below

        check_method_name(method)


def _by_name(method: str, estimator: ScoreEstimator) -> AttributionMethod:
    """Return a method by its name.

    Raises:
        InputError: If there is no such method.
    """
    from at2_rag.methods import method_by_name  # which who answers by attention alone never needs

    return method_by_name(method, estimator)
