"""What fitting again and again gave: tables of coefficients, scores, quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import fmean

import torch
from at2_rag.evaluation.results import Estimate
from at2_rag.evaluation.statistics import pearson
from torch import Tensor

from at2_rag_experiments.base import Record

#: Heads at the top that two tables are compared by.
TOP = 5

_Pairs = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Agreement:
    """Correlations of pairs.

    Attributes:
        mean: Mean correlation of all pairs.
        least: Correlation of the two that are least alike.
    """

    mean: float
    least: float


@dataclass(frozen=True)
class Tables:
    """Coefficients over fits.

    Attributes:
        means: Mean coefficient of each head; copying coefficients lie behind the others.
        deviations: Standard deviation of each coefficient.
        correlation: How pairs of tables correlate.
        signs: Share of the coefficients that have the same sign in all fits.
        signs_by_size: Share of such coefficients, each counted by how large its mean is.
        top: Share of the largest :data:`TOP` that two tables have in common.
    """

    means: tuple[float, ...]
    deviations: tuple[float, ...]
    correlation: Agreement
    signs: float
    signs_by_size: float
    top: float


@dataclass(frozen=True)
class Spread:
    """Quality over fits.

    Attributes:
        mean: Mean LDS over fits.
        deviation: Standard deviation of the LDS over fits.
        least: LDS of the worst fit.
        most: LDS of the best fit.
        error: Standard error of one fit's LDS, over held-out examples.
    """

    mean: float
    deviation: float
    least: float
    most: float
    error: float


@dataclass(frozen=True)
class Stability:
    """One estimator under one kind of chance.

    Attributes:
        estimator: Name of the estimator.
        kind: What chance decided.
        fits: How many fits there are.
        examples: How many examples each was fitted to.
        tables: What became of its coefficients; ``None`` for a network.
        scores: Correlation, over the sources of a statement, of two fits' scores: mean over pairs
            and statements that depend on their sources, with an error over held-out examples.
        first: Share of these statements where two fits score the same source highest; without
            any where sources were not looked at one by one.
        dependent: Quality on statements that depend on their sources.
        all: Quality on all statements.
        likeness: How much each fit is like the others: the correlation of its coefficients, or of a
            network's scores, with their mean.
        quality: LDS of each fit on dependent statements.
        likeness_and_quality: Correlation of likeness and quality over fits; above 0, odd fits are
            worse ones.
    """

    estimator: str
    kind: str
    fits: int
    examples: int
    tables: Tables | None
    scores: Estimate
    first: Estimate
    dependent: Spread
    all: Spread
    likeness: tuple[float, ...]
    quality: tuple[float, ...]
    likeness_and_quality: float


@dataclass(frozen=True)
class StabilityResults:
    """Everything that fitting again and again gave.

    Attributes:
        layers: Layers of the model.
        heads: Heads of each layer.
        held_out: How many held-out examples have a dependent statement.
        statements: How many held-out statements ablations move.
        dependent: How many of these depend on their sources.
        by_source: Whether scores are of single sources, and not sums over random ablations.
        references: LDS of what nothing is fitted for, by name, on dependent statements.
        stabilities: What was found for each estimator and each kind of chance.
        likeness_and_quality: Correlation of likeness and quality for each estimator, over the fits
            of all kinds, each kind's mean taken out.
    """

    layers: int
    heads: int
    held_out: int
    statements: int
    dependent: int
    by_source: bool
    references: dict[str, float]
    stabilities: tuple[Stability, ...]
    likeness_and_quality: dict[str, float]

    def stability(self, estimator: str, kind: str) -> Stability:
        """Return one.

        Raises:
            KeyError: If there is none.
        """
        found = {(one.estimator, one.kind): one for one in self.stabilities}
        return found[estimator, kind]

    def to_dict(self) -> Record:
        """Return plain JSON types."""
        return asdict(self)


def summarize(records: Sequence[Record]) -> StabilityResults:
    """Summarise the records of the experiment."""
    first = records[0]
    kinds = list(dict.fromkeys(record["kind"] for record in records))
    by_kind = {kind: [r for r in records if r["kind"] == kind] for kind in kinds}
    stabilities = tuple(
        _stability(name, kind, by_kind[kind]) for name in first["fits"] for kind in kinds
    )
    return StabilityResults(
        first["layers"],
        first["heads"],
        len(set(first["example"])),
        first["statements"],
        len(first["example"]),
        first["by_source"],
        {name: found["dependent"]["lds"] for name, found in first["references"].items()},
        stabilities,
        {
            name: _pooled([one for one in stabilities if one.estimator == name])
            for name in first["fits"]
        },
    )


def _stability(name: str, kind: str, records: Sequence[Record]) -> Stability:
    fits = [fit for record in records for fit in record["fits"][name]]
    pairs = _pairs([len(record["fits"][name]) for record in records])
    scores = [torch.tensor(rows).double() for rows in zip(*_of(fits, "scores"), strict=True)]
    learned = fits[0]["coefficients"] is not None
    table = torch.tensor(_of(fits, "coefficients")).double() if learned else None
    alike = _likeness([table]) if table is not None else _likeness(scores)
    quality = [fit["quality"]["dependent"]["lds"] for fit in fits]
    example, by_source = records[0]["example"], records[0]["by_source"]
    return Stability(
        name,
        kind,
        len(fits),
        records[0]["examples"][0],
        None if table is None else _tables(table, pairs),
        Estimate.of([_correlations(rows, pairs).mean().item() for rows in scores], example),
        Estimate.of([_same_first(rows, pairs) for rows in scores] if by_source else [], example),
        _spread(fits, "dependent"),
        _spread(fits, "all"),
        tuple(alike.tolist()),
        tuple(quality),
        float(pearson(alike, torch.tensor(quality).double())),
    )


def _of(fits: Sequence[Record], name: str) -> list[list[float]]:
    return [fit[name] for fit in fits]


def _pairs(counts: Sequence[int]) -> _Pairs:
    """Return the fits to compare: those of one draw where it made several, else all with all.

    Args:
        counts: How many fits each draw made.
    """
    if max(counts) == 1:
        return list(combinations(range(len(counts)), 2))
    starts = [sum(counts[:place]) for place in range(len(counts))]
    ranges = [range(start, start + size) for start, size in zip(starts, counts, strict=True)]
    return [pair for places in ranges for pair in combinations(places, 2)]


def _tables(table: Tensor, pairs: _Pairs) -> Tables:
    found = _correlations(table, pairs)
    means = table.mean(dim=0)
    same = (table.sign() == table[0].sign()).all(dim=0) & (table[0] != 0)
    top = [set(row.topk(min(TOP, len(row))).indices.tolist()) for row in table]
    return Tables(
        tuple(means.tolist()),
        tuple(table.std(dim=0).tolist()),
        Agreement(float(found.mean()), float(found.min())),
        float(same.double().mean()),
        float(means.abs()[same].sum() / means.abs().sum()),
        fmean(len(top[a] & top[b]) / len(top[a]) for a, b in pairs),
    )


def _correlations(rows: Tensor, pairs: _Pairs) -> Tensor:
    """Return (pairs,): correlations of the rows of (fits, n)."""
    ours, theirs = (list(side) for side in zip(*pairs, strict=True))
    return pearson(rows[ours], rows[theirs])


def _same_first(rows: Tensor, pairs: _Pairs) -> float:
    firsts = rows.argmax(dim=1).tolist()
    return fmean(float(firsts[a] == firsts[b]) for a, b in pairs)


def _likeness(tables: Sequence[Tensor]) -> Tensor:
    """Return (fits,): correlation of each with the mean of the others, mean over the tables.

    Args:
        tables: Coefficients or scores, (fits, n) each.
    """
    found = []
    for rows in tables:
        others = (rows.sum(dim=0) - rows) / (len(rows) - 1)
        found.append(pearson(rows, others))
    return torch.stack(found).mean(dim=0)


def _spread(fits: Sequence[Record], statements: str) -> Spread:
    found = [fit["quality"][statements] for fit in fits]
    values = torch.tensor([one["lds"] for one in found]).double()
    error = fmean(one["lds_error"] or 0.0 for one in found)
    return Spread(
        float(values.mean()), float(values.std()), float(values.min()), float(values.max()), error
    )


def _pooled(stabilities: Sequence[Stability]) -> float:
    """Return the correlation of likeness and quality over all fits, each kind centred."""
    sides = []
    for name in ("likeness", "quality"):
        parts = [torch.tensor(getattr(one, name)).double() for one in stabilities]
        sides.append(torch.cat([part - part.mean() for part in parts]))
    return float(pearson(*sides))
