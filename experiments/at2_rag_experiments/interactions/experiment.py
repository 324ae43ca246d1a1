"""What first order costs: answers that depend on several sources together (section 6)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from random import Random

from at2_rag.errors import InputError
from at2_rag.methods import AttentionMethod, method_by_name
from at2_rag.reader import Reader

from at2_rag_experiments.base import WORLDS, Experiment, ExperimentConfig, OnDone, Record, Report
from at2_rag_experiments.interactions.logic_at2 import LogicAt2, learn
from at2_rag_experiments.interactions.logic_measure import measure_world
from at2_rag_experiments.interactions.logic_reader import Lessons, logic_reader
from at2_rag_experiments.interactions.logic_worlds import RULES, LogicWorld, RuleName, draw_world
from at2_rag_experiments.interactions.natural_cases import (
    CaseKind,
    NaturalCase,
    measure_case,
    natural_case,
)
from at2_rag_experiments.interactions.report import draw, tables
from at2_rag_experiments.interactions.results import summarize
from at2_rag_experiments.methods import methods_of

#: On worlds of switches; ``at2-linear`` and ``at2-network`` beside them.
LOGIC_METHODS = ("random", "average-attention", "gradient", "leave-one-out", "esm-32", "esm-256")

#: On generated worlds; ``at2`` is left out where the reader has no learned estimator.
NATURAL_METHODS = ("random", "average-attention", "gradient", "leave-one-out", "esm-32", "at2")


@dataclass(frozen=True)
class InteractionsConfig(ExperimentConfig):
    """What the experiment can be told.

    Attributes:
        examples: Worlds of each rule with each number of switches on, and as many of each natural
            case.
        switches: Switches that the passages of a world tell of; all ablations of their sentences
            are gone through.
        steps: Steps of training the reader of these worlds.
        fitted: Worlds of switches that AT2 is fitted on.
        fit_steps: Steps of training AT2's network on them.
        num_ablations: Random ablations of each natural case.
        num_passages: Passages of each natural case.
    """

    examples: int = 10
    switches: int = 6
    steps: int = 500
    fitted: int = 300
    fit_steps: int = 1000
    num_ablations: int = 64
    num_passages: int = 6

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data != WORLDS:
            raise InputError(
                f"data is {self.data!r}; expected {WORLDS!r}: which sources an answer takes "
                "together is only known of generated worlds."
            )
        if not 4 <= self.switches <= 8:
            raise InputError(f"switches is {self.switches}; expected 4 to 8.")


@dataclass(frozen=True)
class LogicItem:
    """A world of switches to measure on.

    Attributes:
        id: Name that is unique among the items.
        world: The world itself.
    """

    id: str
    world: LogicWorld

    @property
    def fingerprint(self) -> str:
        """A hash of the world."""
        return hashlib.sha256(repr(self.world).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Subject:
    """What is measured on.

    Attributes:
        reader: The reader of generated worlds.
        logic: The reader of worlds of switches, and estimators for it.
    """

    reader: Reader
    logic: LogicAt2


@dataclass(frozen=True)
class Interactions(Experiment[LogicItem | NaturalCase, Subject]):
    """Measures methods where the truth is known: on rules of logic, and on facts told twice."""

    name = "interactions"
    config: InteractionsConfig = InteractionsConfig()

    def items(self) -> Sequence[LogicItem | NaturalCase]:
        """Return the worlds, round by round: each rule and number of switches on, and each case."""
        told = self.config
        found: list[LogicItem | NaturalCase] = []
        for index in range(told.examples):
            for rule, on in _cases():
                name = f"{rule}-{on}-{told.seed}-{index}"
                rng = Random(f"at2-logic-measured-{name}")
                found.append(LogicItem(name, draw_world(rng, rule, told.switches, on)))
            kinds: tuple[CaseKind, ...] = ("or", "and")
            found += [natural_case(k, index, told.seed, told.num_passages) for k in kinds]
        return found

    def prepare(self, reader: Reader, folder: Path, on_done: OnDone) -> Subject:
        """Train a reader of worlds of switches, and AT2 for it; both are kept in the folder."""
        told = self.config
        lessons = Lessons(told.switches, told.steps, seed=told.seed)
        logic = logic_reader(lessons, folder, on_done)
        return Subject(
            reader,
            learn(logic, told.switches, told.fitted, told.fit_steps, told.seed, folder, on_done),
        )

    def measure(self, subject: Subject, item: LogicItem | NaturalCase) -> Record:
        """Return what was measured on one world.

        Raises:
            NumericalError: If a model produced NaN.
        """
        told = self.config
        if isinstance(item, NaturalCase):
            options = {"prompt": told.template, "max_new_tokens": told.max_new_tokens}
            methods = methods_of(subject.reader, NATURAL_METHODS, told.seed)
            return measure_case(
                subject.reader, item, methods, told.num_ablations, told.seed, options
            )
        methods = [method_by_name(name, None, told.seed) for name in LOGIC_METHODS]
        methods += [
            AttentionMethod(subject.logic.linear, "at2-linear"),
            AttentionMethod(subject.logic.network, "at2-network"),
        ]
        return measure_world(subject.logic.reader, item.world, methods, told.seed)

    def report(self, records: Sequence[Record]) -> Report:
        """Return tables, figure and results."""
        found = summarize(records)
        return Report(asdict(found), tables(found), partial(draw, found), (13.0, 6.2))


def _cases() -> list[tuple[RuleName, int]]:
    return [(rule, on) for rule, of in RULES.items() for on in range(of.arity, -1, -1)]
