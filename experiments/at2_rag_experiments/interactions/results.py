"""What the interactions experiment found: rule by rule, and on facts told twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from at2_rag.evaluation.results import Estimate
from at2_rag.evaluation.statistics import DEPENDENT_SPREAD

from at2_rag_experiments.base import Record
from at2_rag_experiments.estimates import mean_of
from at2_rag_experiments.interactions.logic_measure import KS
from at2_rag_experiments.interactions.logic_worlds import RULES


@dataclass(frozen=True)
class MethodQuality:
    """One method on the worlds of one case.

    Attributes:
        lds: Linear datamodeling score over all ablations that nothing was fitted to.
        drops: Top-k drop for each k, in nats.
        found: Share of worlds in which the sources that matter come first, before all others;
            where none does, nothing is measured.
        asked: For worlds of switches, the share in which those that the question names come first.
        first: For natural cases, the share in which one of the two sources comes first.
    """

    lds: Estimate
    drops: dict[int, Estimate]
    found: Estimate
    asked: Estimate
    first: Estimate


@dataclass(frozen=True)
class LogicCase:
    """Worlds of one rule with as many switches on, of those asked about.

    Attributes:
        rule: Name of the lamp's rule.
        on: How many of the switches asked about are on.
        worlds: How many worlds there are.
        matter: How many sources matter.
        right: Share of the worlds that the reader answers right, with all sentences told.
        follows: Share of all ablations under which it answers as logic says.
        spread: Range of the answer's log-probability over all ablations, in nats.
        linear: R² of the best linear surrogate, on ablations that it was not fitted to.
        pairs: R² of the best surrogate with products of pairs, on the same ablations.
        methods: How good each method is, by name.
    """

    rule: str
    on: int
    worlds: int
    matter: int
    right: Estimate
    follows: Estimate
    spread: Estimate
    linear: Estimate
    pairs: Estimate
    methods: dict[str, MethodQuality]

    @property
    def name(self) -> str:
        """As in tables: the rule, and the states of the switches asked about, those on first."""
        return f"{self.rule} {'1' * self.on}{'0' * (RULES[self.rule].arity - self.on)}"  # type: ignore[index]


@dataclass(frozen=True)
class NaturalCases:
    """Questions about generated worlds of one kind.

    Attributes:
        kind: How answers depend on the two sentences, ``"or"`` or ``"and"``.
        questions: How many questions there are.
        right: Share of the questions whose answer begins right.
        alone: Fall of the log-probability without the one of the two sentences that is missed more,
            in nats.
        together: Fall of the log-probability without both, in nats.
        hidden: Share of the questions in which neither alone is missed, and both together are.
        cited: How many of the two sentences are cited: for ``or`` by the first statement, for
            ``and`` by any.
        proved_alone: Share of the questions in which leaving out a citation alone makes a statement
            half as likely.
        proved_together: Share in which leaving out all citations of a statement at once does.
        methods: How good each method is, by name.
    """

    kind: str
    questions: int
    right: Estimate
    alone: Estimate
    together: Estimate
    hidden: Estimate
    cited: Estimate
    proved_alone: Estimate
    proved_together: Estimate
    methods: dict[str, MethodQuality]


@dataclass(frozen=True)
class InteractionResults:
    """Everything that the experiment found.

    Attributes:
        logic: What was found on worlds of switches, by rule and number of switches on.
        natural: What was found on generated worlds, by kind.
    """

    logic: tuple[LogicCase, ...]
    natural: tuple[NaturalCases, ...]

    @property
    def measured(self) -> tuple[LogicCase, ...]:
        """Return the cases in which some source matters."""
        return tuple(case for case in self.logic if case.matter)


def summarize(records: Sequence[Record]) -> InteractionResults:
    """Summarise the records of all worlds.

    Args:
        records: Records of :class:`~at2_rag_experiments.interactions.experiment.Interactions`.
    """
    logic = []
    for rule, of in RULES.items():
        for on in range(of.arity, -1, -1):
            found = [r for r in records if (r.get("rule"), r.get("on")) == (rule, on)]
            if found:
                logic.append(_logic(rule, on, found))
    kinds = [(k, [r for r in records if r.get("kind") == k]) for k in ("or", "and")]
    return InteractionResults(
        tuple(logic), tuple(_natural(kind, found) for kind, found in kinds if found)
    )


def _logic(rule: str, on: int, records: Sequence[Record]) -> LogicCase:
    matter = len(records[0]["matters"])

    def of_fit(name: str) -> Estimate:
        moved = [r for r in records if matter and r["explained"][name] is not None]
        return mean_of(r["explained"][name] for r in moved)

    return LogicCase(
        rule,
        on,
        len(records),
        matter,
        mean_of(r["right"] for r in records),
        mean_of(r["follows"] for r in records),
        mean_of(r["spread"] for r in records),
        of_fit("best-linear"),
        of_fit("best-pairs"),
        _methods(records),
    )


def _natural(kind: str, records: Sequence[Record]) -> NaturalCases:
    said = [r for r in records if r["methods"]]
    least = DEPENDENT_SPREAD
    return NaturalCases(
        kind,
        len(records),
        mean_of(r["right"] for r in records),
        mean_of(max(r["alone"]) for r in said),
        mean_of(r["together"] for r in said),
        mean_of(max(r["alone"]) < least <= r["together"] for r in said),
        mean_of(r["cited"] for r in said),
        mean_of(r["proved_alone"] >= least for r in said),
        mean_of(r["proved_together"] >= least for r in said),
        _methods(said),
    )


def _methods(records: Sequence[Record]) -> dict[str, MethodQuality]:
    names = list(records[0]["methods"]) if records else []

    def of(name: str) -> MethodQuality:
        found = [record["methods"][name] for record in records]

        def share(key: str) -> Estimate:
            return mean_of(f[key] for f in found if key in f)

        drops = {k: mean_of(f["drops"][i] for f in found) for i, k in enumerate(KS)}
        return MethodQuality(share("lds"), drops, share("found"), share("asked"), share("first"))

    return {name: of(name) for name in names}
