"""What was found on real questions: faithfulness of scores, citations and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import torch
from at2_rag.answer.citing import RELATIVE_SCORE
from at2_rag.evaluation.metrics import EvaluationData, linear_datamodeling_score
from at2_rag.evaluation.results import Estimate
from at2_rag.evaluation.statistics import DEPENDENT_SPREAD
from at2_rag.methods import KnockoutGradientMethod
from at2_rag.prompt.settings import Settings
from torch import Tensor

from at2_rag_experiments.base import Record
from at2_rag_experiments.estimates import mean_over
from at2_rag_experiments.faithfulness.scored import OWN

LEAVE_ONE_OUT = "leave-one-out"

#: The reader's citations once each of its five best-scored sources is left out.
PROVED = "at2, proved"
_TESTED = 5

#: From which score on a source is cited, by methods whose scores are in nats, that say so.
_LEAST = {
    PROVED: DEPENDENT_SPREAD,
    LEAVE_ONE_OUT: DEPENDENT_SPREAD,
    KnockoutGradientMethod().name: KnockoutGradientMethod.CITED,
}

#: As many citations a statement as a reader makes by default.
_MOST_CITED = Settings().max_citations


@dataclass(frozen=True)
class MethodFound:
    """One method on all statements.

    Attributes:
        name: Name of the method.
        lds: Linear datamodeling score on all statements.
        lds_dependent: Linear datamodeling score on statements that depend on a source.
        lds_single: Linear datamodeling score on statements that some source, left out alone, makes
            half as likely or less.
        top_1: Top-1 drop on statements that depend on a source, in nats.
        top_3: Top-3 drop on statements that depend on a source, in nats.
        first_is_largest: How often the first source is the one that does most when left out alone,
            over statements that depend on a source.
        share_of_largest: Effect of leaving out the first source as a share of the largest effect,
            over the same statements.
        first_in_gold: How often the first source is marked as evidence, over all statements.
        first_of_prompt: How often the first source is the very first of the prompt.
        precision: Share of citations whose source, left out alone, makes the statement half as
            likely or less.
        recall: Share of sources with that effect that are cited.
        cited_in_gold: Share of citations whose source is marked as evidence.
        citations: How many citations there are.
        seconds: How long scoring takes, as a multiple of a pass over prompt and answer; the median;
            ``None`` where it was not timed.
        passes: Forward passes that scoring takes.
    """

    name: str
    lds: Estimate
    lds_dependent: Estimate
    lds_single: Estimate
    top_1: Estimate
    top_3: Estimate
    first_is_largest: Estimate
    share_of_largest: Estimate
    first_in_gold: Estimate
    first_of_prompt: Estimate
    precision: Estimate
    recall: Estimate
    cited_in_gold: Estimate
    citations: int
    seconds: float | None
    passes: float


@dataclass(frozen=True)
class SupportFound:
    """How the reader's verdicts compare with leaving out all sources.

    Attributes:
        really: Share of statements that become half as likely or less without any source.
        called: Share of statements that are called supported.
        right: Share of verdicts that agree with what leaving out all sources does.
        false_citations: Share of statements that cite a source although no source, left out alone,
            has that effect, and not all of them together.
    """

    really: Estimate
    called: Estimate
    right: Estimate
    false_citations: Estimate


@dataclass(frozen=True)
class FaithfulnessResults:
    """Everything that the experiment found.

    Attributes:
        questions: How many questions were measured.
        left_out: How many questions have no statement, or do not fit the model's context.
        statements: How many statements the answers have.
        dependent: How many statements depend on a source: random ablations move them over ln 2
            nats or more.
        single: How many statements some source, left out alone, makes half as likely or less.
        sources: How many sources a question has, in the mean.
        tokens: How many tokens prompt and answer have, in the mean.
        estimator: Kind of the reader's own estimator, which is called ``at2`` among the methods.
        methods: Results of each method.
        support: Results of verdicts; ``None`` where nothing was left out or nothing is calibrated.
    """

    questions: int
    left_out: int
    statements: int
    dependent: int
    single: int
    sources: float
    tokens: float
    estimator: str
    methods: tuple[MethodFound, ...]
    support: SupportFound | None


@dataclass(frozen=True, eq=False)
class _Said:
    """One statement, with what is known of it.

    Attributes:
        question: Index of its question.
        scores: By method, (sources,): the scores of all sources.
        cited: Indices of the sources that the reader's own citations point to.
        supported: The reader's verdict.
        gold: (sources,): which of the sources are marked as evidence.
        alone: (sources,): effects of leaving out each alone, in nats; ``None`` where none was.
        nothing: Effect of leaving out all sources, in nats.
        top: By method, the effect of leaving out the first three, in nats.
        lds: By method, the linear datamodeling score.
        dependent: Whether the statement depends on a source.
    """

    question: int
    scores: dict[str, Tensor]
    cited: list[int]
    supported: bool | None
    gold: Tensor
    alone: Tensor | None
    nothing: float
    top: dict[str, float]
    lds: dict[str, float]
    dependent: bool


def summarize(records: Sequence[Record]) -> FaithfulnessResults | None:
    """Summarise the records of all questions; ``None`` if there is not one statement."""
    read = [record for record in records if "methods" in record]
    if not read:
        return None
    said = [one for index, record in enumerate(read) for one in _said(index, record)]
    return FaithfulnessResults(
        len(read),
        len(records) - len(read),
        len(said),
        sum(one.dependent for one in said),
        sum(map(_has_single, said)),
        fmean(len(record["gold"]) for record in read),
        fmean(record["tokens"] for record in read),
        read[0]["estimator"],
        tuple(_method(name, said, read) for name in _names(read[0])),
        _support(said),
    )


def _names(record: Record) -> list[str]:
    """Return the names of all methods: those measured, and those that follow from effects."""
    found = list(record["methods"])
    if "effects" not in record:
        return found
    return [*found, *([PROVED] if OWN in found else []), LEAVE_ONE_OUT]


def _said(index: int, record: Record) -> Iterator[_Said]:
    tables = {name: torch.tensor(one["scores"]) for name, one in record["methods"].items()}
    effects = record.get("effects")
    alone, correlations, dependent = None, {}, [False] * len(record["statements"])
    if effects is not None:
        alone = torch.tensor(effects["alone"])
        tables[LEAVE_ONE_OUT] = alone
        if OWN in tables:
            tables[PROVED] = _proved(tables[OWN], alone)
        data = _data(effects)
        correlations = {name: linear_datamodeling_score(t, data) for name, t in tables.items()}
        dependent = (data.spread >= DEPENDENT_SPREAD).tolist()
    for place, statement in enumerate(record["statements"]):
        yield _Said(
            index,
            {name: table[place] for name, table in tables.items()},
            statement["cited"],
            statement["supported"],
            torch.tensor(record["gold"]),
            None if alone is None else alone[place],
            0.0 if effects is None else effects["nothing"][place],
            {} if effects is None else {n: falls[place] for n, falls in effects["top"].items()},
            {name: float(found[place]) for name, found in correlations.items()},
            dependent[place],
        )


def _data(effects: Record) -> EvaluationData:
    masks = torch.tensor([[mark == "1" for mark in row] for row in effects["masks"]])
    return EvaluationData(masks, torch.tensor(effects["log_p"]), torch.tensor(effects["whole"]))


def _proved(scores: Tensor, alone: Tensor) -> Tensor:
    """Return (targets, sources): the effects of the best-scored sources; 0 for those not tested."""
    tested = scores.argsort(dim=1, descending=True, stable=True)[:, :_TESTED]
    return torch.zeros_like(alone).scatter(1, tested, alone.gather(1, tested))


def _method(name: str, said: Sequence[_Said], records: Sequence[Record]) -> MethodFound:
    depending = [one for one in said if one.dependent]
    cited = [(one, _cited(name, one)) for one in said]
    pairs = [(one, source) for one, sources in cited for source in sources]
    ablated = [(one, source) for one, source in pairs if one.alone is not None]
    seconds, passes = _cost(name, records)
    return MethodFound(
        name,
        _over(said, lambda one: one.lds.get(name)),
        _over(depending, lambda one: one.lds.get(name)),
        _over(filter(_has_single, said), lambda one: one.lds.get(name)),
        _over(depending, lambda one: _alone(one)[_first(one, name)]),
        _over(depending, lambda one: one.top.get(name)),
        _over(depending, lambda one: _first(one, name) == int(_alone(one).argmax())),
        _over(depending, lambda one: _share(one, _first(one, name))),
        _over((s for s in said if bool(s.gold.any())), lambda one: one.gold[_first(one, name)]),
        _over(said, lambda one: _first(one, name) == 0),
        mean_over((one.question, float(_real(one)[source])) for one, source in ablated),
        mean_over(
            (one.question, float(source in sources))
            for one, sources in cited
            if one.alone is not None
            for source in _real(one).nonzero()[:, 0].tolist()
        ),
        mean_over((o.question, float(o.gold[source])) for o, source in pairs if bool(o.gold.any())),
        len(pairs),
        seconds,
        passes,
    )


def _over(said: Iterable[_Said], value: Callable[[_Said], Any]) -> Estimate:
    """Return the mean of a value over statements, of those for which there is one."""
    found = [(one.question, value(one)) for one in said]
    return mean_over((question, float(v)) for question, v in found if v is not None)


def _alone(one: _Said) -> Tensor:
    if one.alone is None:
        raise AssertionError("No statement depends on a source where none was left out.")
    return one.alone


def _real(one: _Said) -> Tensor:
    """Return (sources,): which of them make the statement half as likely or less, left out."""
    return _alone(one) >= DEPENDENT_SPREAD


def _has_single(one: _Said) -> bool:
    return one.alone is not None and bool(_real(one).any())


def _first(one: _Said, name: str) -> int:
    return int(one.scores[name].argsort(descending=True, stable=True)[0])


def _share(one: _Said, source: int) -> float | None:
    """Return a source's effect as a share of the largest; ``None`` where no source has any."""
    largest = float(_alone(one).max())
    return float(_alone(one)[source]) / largest if largest > 0 else None


def _cited(name: str, one: _Said) -> list[int]:
    """Return what a method cites: the reader's own citations, or by the rule for scores alone."""
    if name == OWN:
        return one.cited
    scores = one.scores[name]
    least = _LEAST.get(name, RELATIVE_SCORE * float(scores.max()))
    order = scores.argsort(descending=True, stable=True)[:_MOST_CITED].tolist()
    return [source for source in order if scores[source] > 0 and scores[source] >= least]


def _cost(name: str, records: Sequence[Record]) -> tuple[float | None, float]:
    """Return the seconds that scoring takes, in passes over prompt and answer, and its passes."""
    if name == LEAVE_ONE_OUT:
        taken = [record["effects"]["seconds"] / record["seconds"] for record in records]
        return median(taken), 1 + fmean(len(record["gold"]) for record in records)
    found = [record["methods"][OWN if name == PROVED else name] for record in records]
    tested = 1 + fmean(map(_tested, records)) if name == PROVED else 0.0
    passes = fmean(one["passes"] for one in found) + tested
    if any(record["seconds"] is None for record in records):
        return None, passes
    taken = [one["seconds"] / r["seconds"] for one, r in zip(found, records, strict=True)]
    return median(taken) + tested, passes


def _tested(record: Record) -> int:
    """Return how many sources any statement's proof leaves out."""
    scores = torch.tensor(record["methods"][OWN]["scores"])
    first = scores.argsort(dim=1, descending=True, stable=True)[:, :_TESTED]
    return len(set(first.flatten().tolist()))


def _support(said: Sequence[_Said]) -> SupportFound | None:
    judged = [one for one in said if one.supported is not None and one.alone is not None]
    if not judged:
        return None

    def really(one: _Said) -> bool:
        return one.nothing >= DEPENDENT_SPREAD

    def idle(one: _Said) -> bool:
        return bool(one.cited) and not really(one) and not bool(_real(one).any())

    return SupportFound(
        _over(judged, really),
        _over(judged, lambda one: one.supported),
        _over(judged, lambda one: one.supported == really(one)),
        _over(judged, idle),
    )
