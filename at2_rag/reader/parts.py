"""What a reader is made of, to be looked at and not to be changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from at2_rag.answering.answerer import Answerer
from at2_rag.errors import InputError
from at2_rag.estimators import ScoreEstimator
from at2_rag.model_facts import input_device
from at2_rag.prompt.settings import Settings, SettingsOptions
from at2_rag.prompt.thinking_markers import ThinkingMarkers, thinking_markers
from at2_rag.reader.arguments import OWN_OPTIONS, WRITING, CallName, check_names, check_own

if TYPE_CHECKING:
    from at2_rag.methods import AttributionMethod


class Parts:
    """The parts of a reader; each has one owner, so none can be replaced behind another's back."""

    _answerer: Answerer

    def __repr__(self) -> str:
        model, method = self.model, self._answerer.method_for(self.settings)
        scores = f"{self.estimator.kind} estimator" if method is None else method.name
        kind, number = type(model).__name__, str(model.dtype).removeprefix("torch.")
        where = f"{number} on {input_device(model)}"
        return f"<{type(self).__name__} {self.name!r}: {kind}, {where}, scored by {scores}>"

    @property
    def name(self) -> str:
        """The model's name, as it was loaded."""
        return self._answerer.engine.recorded.name

    @property
    def model(self) -> PreTrainedModel:
        """The model that answers."""
        return self._answerer.engine.recorded.model

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's tokenizer."""
        return self._answerer.engine.tokenizer

    @property
    def estimator(self) -> ScoreEstimator:
        """What turns attention into scores."""
        return self._answerer.estimator

    @property
    def settings(self) -> Settings:
        """Defaults for all calls."""
        return self._answerer.settings

    @property
    def method(self) -> AttributionMethod | None:
        """What scores the sources instead of the estimator; ``None`` for the estimator."""
        return self._answerer.method

    def method_for(self, settings: Settings) -> AttributionMethod | None:
        """Return what scores the sources of an answer; ``None`` for the estimator alone.

        The reader's own method, or what ``score_by`` of the settings stands for.

        Args:
            settings: Settings of the question.
        """
        return self._answerer.method_for(settings)

    def check_options(self, call: CallName, options: Mapping[str, Any]) -> None:
        """Refuse options that a call could not take, for who is told of them before any question.

        What only a question or a prompt can tell is not known yet, and is refused when it is asked.

        Args:
            call: The method of a reader that they are for.
            options: Options of the method, by name; also ``history``, ``thoughts`` and
                ``prune_to``, where it takes them.

        Raises:
            InputError: If an option is unknown, or cannot be used; or if there is no such method.
        """
        if call not in OWN_OPTIONS:
            raise InputError(f"call is {call!r}; expected one of {', '.join(OWN_OPTIONS)}.")
        check_names(options)
        own, others = OWN_OPTIONS[call], dict(options)
        for name in own & others.keys():
            check_own(name, others.pop(name))
        self._answerer.requests.check(others, generating=call in WRITING)

    def thinking_markers(self, **options: Unpack[SettingsOptions]) -> ThinkingMarkers | None:
        """Return what the model writes around its thoughts; ``None`` if it does not think.

        Args:
            options: Any of :class:`Settings`, by name, as for the call that this is about.
        """
        settings, _ = self.settings.override(options)
        return thinking_markers(self.tokenizer, settings.thinking)
