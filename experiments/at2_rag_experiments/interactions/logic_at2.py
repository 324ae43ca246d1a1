"""AT2 for the reader of worlds of switches: collected and fitted on worlds of all rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from at2_rag.estimators import ScoreEstimator
from at2_rag.reader import Reader
from at2_rag.training import (
    FitResult,
    NetworkOptions,
    Outcome,
    TrainingExample,
    TrainingRecord,
    collect,
    fit,
    fit_network,
    load_collected,
)

from at2_rag_experiments.base import OnDone
from at2_rag_experiments.interactions.logic_worlds import RULES, draw_world


@dataclass(frozen=True)
class LogicAt2:
    """A reader of worlds of switches, and what was learned for it.

    Attributes:
        reader: The reader.
        linear: The paper's estimator: a coefficient for each head.
        network: A network over sources.
    """

    reader: Reader
    linear: ScoreEstimator
    network: ScoreEstimator


def learn(
    reader: Reader,
    switches: int,
    worlds: int,
    steps: int,
    seed: int,
    folder: Path,
    on_done: OnDone,
) -> LogicAt2:
    """Collect what ablations do on worlds of all rules, and fit both estimators to it.

    What is collected and fitted is kept in the folder.

    Args:
        reader: The reader.
        switches: Of each world.
        worlds: How many.
        steps: Of the network's training.
        seed: Of the worlds, and of the fits.
        folder: Where everything is kept.
        on_done: Follows the collecting, by worlds.
    """
    examples = logic_examples(switches, worlds, seed)
    done = 0

    def follow(outcome: Outcome) -> None:
        nonlocal done
        done += 1
        on_done(done, worlds, outcome.resumed)

    collected = folder / "collected"
    collect(reader, examples, collected, source_unit="sentence", detail=True, progress=follow)

    def records() -> tuple[TrainingRecord, ...]:
        return load_collected(collected).records

    def linear() -> FitResult:
        return fit([record.without_copying for record in records()], method="ridge", seed=seed)

    def network() -> FitResult:
        return fit_network(records(), NetworkOptions(steps=steps), seed=seed)

    estimators = folder / "estimators"
    return LogicAt2(
        reader, _kept(estimators / "linear", linear), _kept(estimators / "network", network)
    )


def logic_examples(switches: int, count: int, seed: int) -> list[TrainingExample]:
    """Return worlds of all rules in turn, other than those that are measured on."""
    rules = list(RULES)
    found = []
    for index in range(count):
        rng = Random(f"at2-logic-fitted-{seed}-{index}")
        world = draw_world(rng, rules[index % len(rules)], switches)
        found.append(TrainingExample(f"logic-{seed}-{index}", world.question, world.passages()))
    return found


def _kept(path: Path, fitted: Callable[[], FitResult]) -> ScoreEstimator:
    """Load an estimator, fitted and saved first if it is not there."""
    if not path.exists():
        fitted().estimator.save(path)
    return ScoreEstimator.load(path)
