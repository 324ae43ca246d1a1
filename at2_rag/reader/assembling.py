"""A reader's parts, put together so that they fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from at2_rag.answering.answerer import Answerer
from at2_rag.answering.engine import Engine
from at2_rag.estimators import ScoreEstimator
from at2_rag.estimators.download import HubAccess
from at2_rag.known_estimators import AUTO, AVERAGE
from at2_rag.model.loading import load_estimator
from at2_rag.model.recorded_model import RecordedModel
from at2_rag.notices import warn_of_other_prompt, warn_of_plain_prompts
from at2_rag.prompt.settings import Settings, refuse_unknown, settings_for
from at2_rag.reader.arguments import check_estimator, check_method, check_settings

if TYPE_CHECKING:
    from at2_rag.methods import AttributionMethod


def put_together(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    estimator: ScoreEstimator | str | Path | None,
    settings: Settings | None,
    method: AttributionMethod | str | None,
    options: Mapping[str, Any],
    access: HubAccess | None = None,
    *,
    stacklevel: int,
) -> Answerer:
    """Return what answers and cites, of a model that is loaded.

    Args:
        model: A model of transformers. It is put into evaluation mode and its attention made
            recordable.
        tokenizer: The model's tokenizer.
        estimator: An estimator, or where to load one from; ``None`` for what the method needs.
        settings: Settings of all questions that bring none of their own; ``None`` for those of the
            model's files, and the defaults.
        method: What scores the sources instead of the estimator, or its name.
        options: Single settings, by name, that replace those of ``settings``.
        access: How the hub may be used for an estimator.
        stacklevel: Which caller a warning points to, as for ``warnings.warn``: 1 is where this is
            called.

    Raises:
        InputError: If an argument is of another kind, an option is no setting, or nothing is where
            the estimator is to be loaded from.
        UnsupportedModelError: If the model's attention weights cannot be had exactly.
        EstimatorMismatchError: If the estimator is for another model.
    """
    check_method(method)
    model.eval()
    if estimator is None:
        # A method that comes by name may be made of the estimator.
        estimator = AUTO if method is None or isinstance(method, str) else AVERAGE
    check_estimator(estimator)
    check_settings(settings)
    own, unknown = (settings or settings_for(model)).override(options)
    refuse_unknown(unknown)
    engine = Engine(RecordedModel(model), tokenizer)
    estimator = _fitting(engine, estimator, own, access, stacklevel + 1)
    warn_of_plain_prompts(model, tokenizer, stacklevel=stacklevel + 1)
    _warn_of_other_prompt(estimator, own, stacklevel + 1)
    return Answerer(engine, estimator, own, _as_method(method, estimator))


def changed(
    old: Answerer,
    estimator: ScoreEstimator | str | Path | None,
    settings: Settings | None,
    method: AttributionMethod | str | None,
    options: Mapping[str, Any],
    *,
    stacklevel: int,
) -> Answerer:
    """Return what answers with the same model, and differs in what is given.

    Args:
        old: What answered before.
        estimator: Another estimator, or where to load it from; ``None`` keeps the old one.
        settings: Other settings; ``None`` keeps the old ones.
        method: Another method, or its name, ``"estimator"`` for none; ``None`` keeps the old one.
        options: Single settings, by name, that replace those of ``settings`` or the old ones.
        stacklevel: As for :func:`put_together`.

    Raises:
        InputError: If an argument is of another kind, or an option is no setting.
        EstimatorMismatchError: If the estimator is for another model.
    """
    check_estimator(estimator)
    check_settings(settings)
    own, unknown = (settings or old.settings).override(options)
    refuse_unknown(unknown)
    if estimator is not None:
        estimator = _fitting(old.engine, estimator, own, None, stacklevel + 1)
    if estimator is not None or own.prompt != old.settings.prompt:
        _warn_of_other_prompt(estimator or old.estimator, own, stacklevel + 1)
    estimator = estimator or old.estimator
    if method is None:
        method = old.method
    elif method == "estimator":
        method = None
    return replace(old, estimator=estimator, method=_as_method(method, estimator), settings=own)


def _fitting(
    engine: Engine,
    estimator: ScoreEstimator | str | Path,
    settings: Settings,
    access: HubAccess | None,
    stacklevel: int,
) -> ScoreEstimator:
    """Return an estimator that fits a model, loaded if it was named.

    Raises:
        InputError: If nothing is where it is to be loaded from.
        EstimatorMismatchError: If it is for another model.
    """
    recorded = engine.recorded
    if isinstance(estimator, str | Path):
        estimator = load_estimator(
            estimator,
            recorded.model,
            engine.tokenizer,
            access,
            prompt=settings.prompt,
            stacklevel=stacklevel + 2,
        )
    estimator.check_fits(recorded.shape)
    return estimator


def _as_method(
    method: AttributionMethod | str | None, estimator: ScoreEstimator
) -> AttributionMethod | None:
    """Return a method, made of the estimator where it comes by a name that says so.

    Raises:
        InputError: If there is no method of this name.
    """
    if not isinstance(method, str):
        return method
    from at2_rag.methods import method_by_name  # which who answers by attention never needs

    return method_by_name(method, estimator)


def _warn_of_other_prompt(estimator: ScoreEstimator, settings: Settings, stacklevel: int) -> None:
    """Warn whoever makes a reader if its scores or thresholds were learned with another prompt."""
    calibration = estimator.calibration(settings.source_unit)
    measured = () if calibration is None else calibration.prompts
    prompts = estimator.prompts
    warn_of_other_prompt(settings.prompt.message, prompts, measured, stacklevel=stacklevel + 1)
