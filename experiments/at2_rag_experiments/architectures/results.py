"""What two readers say about the same methods: rankings, and estimators that change readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from at2_rag.errors import InputError
from at2_rag.evaluation import Comparison, Estimate, MethodSummary
from at2_rag.evaluation.results import Measurement

from at2_rag_experiments.architectures.rank_agreement import (
    Agreement,
    Values,
    agreement,
    difference,
    metrics,
)
from at2_rag_experiments.base import Record
from at2_rag_experiments.estimates import mean_of
from at2_rag_experiments.measuring import merged, share_of_firsts

SIDES = ("first", "second")
#: Ends the name of an estimator that was fitted to the other reader.
OF_THE_OTHER = " of the other"

_AVERAGE = "average-attention"


@dataclass(frozen=True)
class SideResults:
    """What was found on one reader.

    Attributes:
        model: Kind of model that the reader has, as transformers calls it.
        examples: How many examples were measured.
        left_out: How many examples were not, since they are too long or have no statement.
        targets: How many statements were measured.
        dependent: How many of the statements depend on their sources.
        right: Share of final answers that are right; nothing where that is not known.
        summaries: Means of every method.
        stated: By method, how often it scores that source highest which states the statement;
            over statements that are right word for word and depend on their sources.
    """

    model: str
    examples: int
    left_out: int
    targets: int
    dependent: int
    right: Estimate
    summaries: tuple[MethodSummary, ...]
    stated: Mapping[str, Estimate]

    def summary(self, method: str) -> MethodSummary:
        """Return a method's means.

        Raises:
            KeyError: If it was not compared.
        """
        return {found.method: found for found in self.summaries}[method]


@dataclass(frozen=True)
class Transfer:
    """An estimator of one reader used on the other.

    Attributes:
        side: The reader that it is used on.
        method: Name of the reader's own estimator of the same kind.
        lds: LDS, over dependent statements, of the reader's own estimator less that of the other's.
        drops: Top-k drop of the reader's own estimator less that of the other's, by k, in nats.
        loss: Share of the top-k drop of the reader's own estimator that is lost, for the largest k.
        beyond_average: LDS, over dependent statements, of the other's estimator less that of
            average attention; nothing where that was not compared.
    """

    side: str
    method: str
    lds: Estimate
    drops: Mapping[int, Estimate]
    loss: Estimate
    beyond_average: Estimate


@dataclass(frozen=True)
class CrossResults:
    """Everything that was found on both readers.

    Attributes:
        ks: Numbers of sources that the top-k drops leave out.
        sides: What was found on each reader, by ``"first"`` and ``"second"``.
        methods: Methods that are ranked on both; without those that were fitted to the other
            reader.
        agreements: How alike the readers rank the methods, for each metric.
        transfers: Estimators used on the other reader; none where the readers have different
            numbers of layers or heads.
    """

    ks: tuple[int, ...]
    sides: Mapping[str, SideResults]
    methods: tuple[str, ...]
    agreements: tuple[Agreement, ...]
    transfers: tuple[Transfer, ...]

    def to_dict(self) -> Record:
        """Return plain JSON types; without the methods' times, which are no part of it."""
        found = asdict(self)
        for side in found["sides"].values():
            for summary in side["summaries"]:
                del summary["seconds"], summary["time_ratio"]
        return found


def summarize(records: Sequence[Record], ks: Sequence[int]) -> CrossResults:
    """Summarise the records of the experiment ``cross-architecture``.

    Args:
        records: Records of all examples, in order.
        ks: Numbers of sources that the top-k drops leave out, in ascending order.

    Raises:
        InputError: If nothing could be measured on one of the readers.
    """
    found = {side: _compared([record[side] for record in records], side) for side in SIDES}
    sides = {side: _side([record[side] for record in records], found[side]) for side in SIDES}
    every = [name for name in found["first"].methods if name in found["second"].methods]
    methods = [name for name in every if not name.endswith(OF_THE_OTHER)]
    agreements = [
        agreement(metric, how(found["first"]), how(found["second"]), methods)
        for metric, how in metrics(ks).items()
    ]
    transfers = [
        _transfer(side, found[side], name)
        for side in SIDES
        for name in methods
        if name + OF_THE_OTHER in found[side].methods
    ]
    return CrossResults(tuple(ks), sides, tuple(methods), tuple(agreements), tuple(transfers))


def _compared(records: Sequence[Record], side: str) -> Comparison:
    """Return the comparison of all examples, from those of each; they keep their places."""
    found = merged([record.get("comparison", {}) for record in records])
    if found is None:
        raise InputError(
            f"None of the {len(records)} examples could be measured on the {side} reader; expected "
            "answers with statements, and passages that fit its context."
        )
    return found


def _side(records: Sequence[Record], found: Comparison) -> SideResults:
    return SideResults(
        records[0]["model"],
        found.examples,
        found.skipped,
        len(found.targets),
        found.dependent,
        mean_of(record["right"] for record in records if "right" in record),
        found.summaries,
        _stated(records, found),
    )


def _stated(records: Sequence[Record], found: Comparison) -> dict[str, Estimate]:
    """Return, by method, how often it scores the source highest that states a statement."""

    def hit(m: Measurement) -> bool | None:
        stated = records[m.example].get("stated")
        return None if stated is None or stated[m.target] is None else m.first == stated[m.target]

    return share_of_firsts(found, hit)


def _transfer(side: str, found: Comparison, method: str) -> Transfer:
    other = method + OF_THE_OTHER
    values = {name: how(found) for name, how in metrics(found.ks).items()}
    lds = values["LDS (dependent)"]
    drops = {k: values[f"top-{k} drop"] for k in found.ks}
    average = _AVERAGE in found.methods
    return Transfer(
        side,
        method,
        difference(lds, method, other),
        {k: difference(by_target, method, other) for k, by_target in drops.items()},
        share_lost(drops[max(found.ks)], method, other),
        difference(lds, other, _AVERAGE) if average else Estimate.of([], []),
    )


def share_lost(values: Values, method: str, other: str) -> Estimate:
    """Return 1 less the ratio of two means; its standard error is the delta method's.

    Args:
        values: Values of both methods.
        method: Name of the method whose mean is the whole; nothing is returned if it is not above
            0.
        other: Name of the method whose mean is what is left.
    """
    own, kept = list(values[method].values()), list(values[other].values())
    examples = [example for example, _ in values[method]]
    if sum(own) <= 0:
        return Estimate.of([], [])
    ratio = sum(kept) / sum(own)
    misses = [theirs - ratio * ours for theirs, ours in zip(kept, own, strict=True)]
    error = Estimate.of(misses, examples).standard_error
    scale = len(own) / sum(own)
    return Estimate(1 - ratio, None if error is None else error * scale, len(own))
