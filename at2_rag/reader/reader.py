"""What users hold in their hands; where it comes from, and how another is made of it."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from at2_rag.answering.answerer import Answerer
from at2_rag.estimators import ScoreEstimator
from at2_rag.estimators.download import HubAccess
from at2_rag.known_estimators import AUTO
from at2_rag.model.loading import load_demo_estimator, load_demo_model, load_model
from at2_rag.model.number_format import tell_of_slow_format
from at2_rag.model.options import LoadingOptions
from at2_rag.model.pipelines import model_of
from at2_rag.prompt.settings import (
    Settings,
    SettingsOptions,
    refuse_misspelt_of,
    settings_for,
)
from at2_rag.reader.arguments import check_kind, check_method, check_parts, check_settings
from at2_rag.reader.asking import Asking
from at2_rag.reader.assembling import changed, put_together
from at2_rag.reader.examining import Examining

if TYPE_CHECKING:
    from at2_rag.methods import AttributionMethod


class Reader(Examining, Asking):
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
        check_parts(model, tokenizer)
        tell_of_slow_format(model, stacklevel=2)
        self._answerer = put_together(
            model, tokenizer, estimator, settings, method, options, stacklevel=2
        )

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
        check_kind("name", name, (str, Path))
        check_settings(settings)
        check_method(method)
        _, loading = (settings or Settings()).override(options)
        refuse_misspelt_of(LoadingOptions.__annotations__.keys(), loading)
        model, tokenizer = load_model(name, loading)
        own, _ = (settings or settings_for(model)).override(options)
        access = HubAccess.of(loading)
        return cls._of(
            put_together(model, tokenizer, estimator, own, method, {}, access, stacklevel=2)
        )

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
        check_parts(model, tokenizer)
        tell_of_slow_format(model, stacklevel=2)
        return cls._of(
            put_together(model, tokenizer, estimator, settings, method, options, stacklevel=2)
        )

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
        return cls._of(
            put_together(
                model, tokenizer, load_demo_estimator(), None, method, options, stacklevel=2
            )
        )

    @classmethod
    def _of(cls, answerer: Answerer) -> Reader:
        reader = cls.__new__(cls)
        reader._answerer = answerer
        return reader

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
        other = copy(self)
        other._answerer = changed(
            self._answerer, estimator, settings, method, options, stacklevel=2
        )
        return other
