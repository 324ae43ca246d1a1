"""Experiments by name, as they are written on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from at2_rag.errors import InputError
from at2_rag.experiments.base import Experiment, ExperimentConfig
from at2_rag.experiments.hotpot_pruning import HotpotPruning, HotpotPruningConfig


@dataclass(frozen=True)
class Entry:
    """An experiment that can be asked for by name.

    Attributes:
        config: Its kind of config.
        experiment: Makes it from one.
    """

    config: type[ExperimentConfig]
    experiment: Any


#: In the order of the paper.
EXPERIMENTS: Mapping[str, Entry] = {
    "hotpot-pruning": Entry(HotpotPruningConfig, HotpotPruning),
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
