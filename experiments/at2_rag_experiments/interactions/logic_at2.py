"""AT2 for the reader of worlds of switches: collected and fitted on worlds of all rules."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

from at2_rag.estimators import ScoreEstimator
from at2_rag.reader import Reader
from at2_rag.training import NetworkOptions, TrainingExample

from at2_rag_experiments.base import OnDone
from at2_rag_experiments.fitting.fits import FitOptions
from at2_rag_experiments.fitting.learning import Lot, learned
from at2_rag_experiments.interactions.logic_worlds import RULES, draw_world


@dataclass(frozen=True)
class LogicAt2:
    """A reader of worlds of switches, and what was learned for it.

    Attributes:
        reader: The reader of worlds of switches.
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

    Args:
        reader: The reader of worlds of switches.
        switches: How many switches each world has.
        worlds: How many worlds to fit to.
        steps: Steps of the network's training.
        seed: What worlds, ablations and fits are drawn with.
        folder: Folder that everything is kept in.
        on_done: Called after each world.
    """
    lot = Lot(logic_examples(switches, worlds, seed), ("ridge", "network"), seed=seed)
    options = FitOptions(network_steps=steps, network_batch=NetworkOptions.batch_size, judged=True)
    found = learned(lot, options, reader, folder, on_done)
    return LogicAt2(reader, found["ridge"], found["network"])


def logic_examples(switches: int, count: int, seed: int) -> list[TrainingExample]:
    """Return worlds of all rules in turn, other than those that are measured on.

    Args:
        switches: How many switches each world has.
        count: How many worlds.
        seed: What they are drawn with.
    """
    rules = list(RULES)
    found = []
    for index in range(count):
        rng = Random(f"at2-logic-fitted-{seed}-{index}")
        world = draw_world(rng, rules[index % len(rules)], switches)
        found.append(TrainingExample(f"logic-{seed}-{index}", world.question, world.passages()))
    return found
