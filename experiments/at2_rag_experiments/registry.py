"""Experiments by name, as they are written on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from at2_rag.errors import InputError

from at2_rag_experiments.architectures.experiment import CrossArchitecture
from at2_rag_experiments.base import Experiment
from at2_rag_experiments.comparison.experiment import MethodComparison
from at2_rag_experiments.conversation.experiment import ConversationSources
from at2_rag_experiments.curves.experiment import LearningCurves
from at2_rag_experiments.faithfulness.experiment import Faithfulness
from at2_rag_experiments.interactions.experiment import Interactions
from at2_rag_experiments.prompted.experiment import PromptedCitations
from at2_rag_experiments.pruning.experiment import HotpotPruning
from at2_rag_experiments.sampling.experiment import Sampling
from at2_rag_experiments.stability.experiment import CoefficientStability
from at2_rag_experiments.support.experiment import Support
from at2_rag_experiments.thoughts.experiment import ThoughtAttribution

#: In the order of the paper, and behind it what it asks and leaves open.
_ALL: tuple[type[Experiment[Any, Any]], ...] = (
    MethodComparison,
    Faithfulness,
    Support,
    PromptedCitations,
    ThoughtAttribution,
    HotpotPruning,
    ConversationSources,
    CoefficientStability,
    LearningCurves,
    CrossArchitecture,
    Interactions,
    Sampling,
)

#: The classes of all experiments, by the name that each has of its own.
EXPERIMENTS: Mapping[str, type[Experiment[Any, Any]]] = {found.name: found for found in _ALL}


def experiment_by_name(name: str, **told: Any) -> Experiment[Any, Any]:
    """Return an experiment.

    Args:
        name: Name of the experiment, one of :data:`EXPERIMENTS`.
        told: Fields of its config, by name; the others keep their defaults.

    Raises:
        InputError: If there is no such experiment, or it cannot be told so.
    """
    if name not in EXPERIMENTS:
        raise InputError(
            f"There is no experiment {name!r}; expected one of {', '.join(EXPERIMENTS)}."
        )
    found = EXPERIMENTS[name]
    known = [field.name for field in fields(found.config)]
    if unknown := [field for field in told if field not in known]:
        raise InputError(
            f"The experiment {name} has no {', '.join(unknown)}; expected any of "
            f"{', '.join(known)}."
        )
    return found(replace(found.config, **told))
