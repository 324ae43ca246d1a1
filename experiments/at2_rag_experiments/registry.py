"""Experiments by name, as they are written on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from at2_rag.errors import InputError

from at2_rag_experiments.architectures.experiment import CrossArchitecture, CrossArchitectureConfig
from at2_rag_experiments.base import Experiment, ExperimentConfig
from at2_rag_experiments.comparison.experiment import MethodComparison, MethodComparisonConfig
from at2_rag_experiments.conversation.experiment import (
    ConversationSources,
    ConversationSourcesConfig,
)
from at2_rag_experiments.curves.experiment import LearningCurves, LearningCurvesConfig
from at2_rag_experiments.interactions.experiment import Interactions, InteractionsConfig
from at2_rag_experiments.pruning.experiment import HotpotPruning, HotpotPruningConfig
from at2_rag_experiments.sampling.experiment import Sampling, SamplingConfig
from at2_rag_experiments.stability.experiment import (
    CoefficientStability,
    CoefficientStabilityConfig,
)
from at2_rag_experiments.thoughts.experiment import ThoughtAttribution, ThoughtAttributionConfig


@dataclass(frozen=True)
class Entry:
    """An experiment that can be asked for by name.

    Attributes:
        config: Its kind of config.
        experiment: Makes it from one.
    """

    config: type[ExperimentConfig]
    experiment: Any


#: In the order of the paper, and behind it what it asks and leaves open.
EXPERIMENTS: Mapping[str, Entry] = {
    "method-comparison": Entry(MethodComparisonConfig, MethodComparison),
    "thought-attribution": Entry(ThoughtAttributionConfig, ThoughtAttribution),
    "hotpot-pruning": Entry(HotpotPruningConfig, HotpotPruning),
    "conversation-sources": Entry(ConversationSourcesConfig, ConversationSources),
    "coefficient-stability": Entry(CoefficientStabilityConfig, CoefficientStability),
    "learning-curves": Entry(LearningCurvesConfig, LearningCurves),
    "cross-architecture": Entry(CrossArchitectureConfig, CrossArchitecture),
    "interactions": Entry(InteractionsConfig, Interactions),
    "sampling": Entry(SamplingConfig, Sampling),
}


def experiment_by_name(name: str, **told: Any) -> Experiment[Any, Any]:
    """Return an experiment.

    Args:
        name: One of :data:`EXPERIMENTS`.
        told: Fields of its config.

    Raises:
        InputError: If there is no such experiment, or it cannot be told so.
    """
    if name not in EXPERIMENTS:
        raise InputError(
            f"There is no experiment {name!r}; expected one of {', '.join(EXPERIMENTS)}."
        )
    entry = EXPERIMENTS[name]
    known = [field.name for field in fields(entry.config)]
    if unknown := [field for field in told if field not in known]:
        raise InputError(
            f"The experiment {name} has no {', '.join(unknown)}; expected any of "
            f"{', '.join(known)}."
        )
    found: Experiment[Any, Any] = entry.experiment(entry.config(**told))
    return found
