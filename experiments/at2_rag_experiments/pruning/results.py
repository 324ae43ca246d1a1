"""What pruning did, over all questions: by method, by number kept, and by rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

import numpy as np
from at2_rag.evaluation.results import Estimate

from at2_rag_experiments.base import Record
from at2_rag_experiments.estimates import mean_of
from at2_rag_experiments.methods import AT2, PROBED
from at2_rag_experiments.pruning.keeping import RULES
from at2_rag_experiments.pruning.ranking import WITHOUT_DRAFT
from at2_rag_experiments.short_answers import contains, final_answer


@dataclass(frozen=True)
class Point:
    """Pruned to some number of passages, by one method.

    Attributes:
        kept: How many passages were kept.
        f1: F1 of the final answer.
        exact: Share of final answers that match exactly.
        contained: Share of final answers that contain the right one, which tells more of a model
            that answers in sentences.
        gain: F1 beyond that without pruning, question by question.
        covered: Share of questions of which all supporting passages were kept.
    """

    kept: Estimate
    f1: Estimate
    exact: Estimate
    contained: Estimate
    gain: Estimate
    covered: Estimate


@dataclass(frozen=True)
class Curve:
    """One method at every number of passages kept.

    Attributes:
        method: Name of the method.
        points: What came of keeping each of the numbers of passages.
        passes: Forward passes that scoring takes beside answering, on average.
        drafts: Answers from all passages that ranking takes, 0 or 1.
    """

    method: str
    points: tuple[Point, ...]
    passes: float
    drafts: int

    @property
    def best(self) -> int:
        """Index of the point with the highest F1; of equal ones that with the fewest kept."""
        return max(range(len(self.points)), key=lambda i: (self.points[i].f1.mean or 0.0, -i))


@dataclass(frozen=True)
class Chosen:
    """One method with a number of passages that its scores choose, question by question.

    Attributes:
        method: Name of the method.
        rule: Name of the rule that chose the number.
        point: What came of it.
        fixed_f1: F1 of the same method with as many passages fixed for all, read off its curve
            between two points.
    """

    method: str
    rule: str
    point: Point
    fixed_f1: float


@dataclass(frozen=True)
class Lead:
    """How far the reader's own estimator is ahead of another method.

    Attributes:
        method: Name of the other method.
        f1: F1 with the estimator less that with the other, question by question, for each of the
            numbers of passages kept.
    """

    method: str
    f1: tuple[Estimate, ...]


@dataclass(frozen=True)
class PruningResults:
    """Everything that pruning did.

    Attributes:
        questions: How many questions were measured.
        too_long: How many questions were left out, since their passages did not fit the model's
            context.
        unmarked: How many answers from all passages have no "Final answer:", and count as they are.
        prompts: Answers for each question that were asked for, by all methods and numbers of
            passages.
        distinct: Different prompts among these, for each question.
        reused: Share of the prompts' tokens that were not read, since another prompt begins with
            them.
        unpruned: What the answers from all passages are worth.
        supporting: What the answers from the supporting passages alone are worth, the oracle of the
            paper.
        ks: The numbers of passages that every method kept, in ascending order.
        own: What the reader's own estimator is called; ``None`` where it was not measured.
        curves: The curve of each method.
        chosen: What each rule chose by the scores of each method that has any; nothing where not
            every number of passages was kept.
        leads: How far the reader's own estimator is ahead of each other method; none where it was
            not measured.
    """

    questions: int
    too_long: int
    unmarked: int
    prompts: float
    distinct: float
    reused: float
    unpruned: Point
    supporting: Point
    ks: tuple[int, ...]
    own: str | None
    curves: tuple[Curve, ...]
    chosen: tuple[Chosen, ...]
    leads: tuple[Lead, ...]

    def curve(self, method: str) -> Curve:
        """Return a method's curve.

        Raises:
            KeyError: If there is none.
        """
        found = {curve.method: curve for curve in self.curves}
        return found[method]

    def to_dict(self) -> Record:
        """Return plain JSON types."""
        return asdict(self)


def summarize(records: Sequence[Record], ks: Sequence[int] = ()) -> PruningResults | None:
    """Summarise the records of :class:`at2_rag_experiments.HotpotPruning`.

    Args:
        records: Records of all questions.
        ks: Numbers of passages that were kept; empty for every number.

    Returns:
        The results; ``None`` if no question could be measured.
    """
    read = [record for record in records if "answers" in record]
    if not read:
        return None
    kept = tuple(ks) or tuple(range(1, max(len(record["passages"]) for record in read) + 1))
    methods = [name for name in read[0]["rankings"] if all(name in r["rankings"] for r in read)]
    own = next((name for name in methods if name in (AT2, PROBED)), None)
    curves = tuple(_curve(read, method, kept) for method in methods)
    return PruningResults(
        len(read),
        len(records) - len(read),
        sum(not record["marked"] for record in read),
        fmean(record["prompts"] for record in read),
        fmean(len(record["answers"]) for record in read),
        1 - _tokens(read, "read") / _tokens(read, "prompts"),
        _point(read, [record["passages"] for record in read]),
        _point(read, [record["supporting"] for record in read]),
        kept,
        own,
        curves,
        () if ks else tuple(_by_rules(read, curves, own)),
        tuple(_lead(read, own, name, kept) for name in methods if own and name != own),
    )


def _tokens(records: Sequence[Record], which: str) -> int:
    total: int = sum(record["tokens"][which] for record in records)
    return total


def _lead(records: Sequence[Record], own: str, method: str, ks: Sequence[int]) -> Lead:
    counts = [[k] * len(records) for k in ks]
    ours = [_f1(records, _heads(records, own, count)) for count in counts]
    theirs = [_f1(records, _heads(records, method, count)) for count in counts]
    return Lead(method, tuple(map(_difference, ours, theirs)))


def _curve(records: Sequence[Record], method: str, ks: Sequence[int]) -> Curve:
    return Curve(
        method,
        tuple(_top(records, method, [k] * len(records)) for k in ks),
        fmean(record["rankings"][method]["passes"] for record in records),
        0 if method in WITHOUT_DRAFT else 1,
    )


def _by_rules(records: Sequence[Record], curves: Sequence[Curve], own: str | None) -> list[Chosen]:
    found = []
    for curve in curves:
        scores = [record["rankings"][curve.method]["scores"] for record in records]
        counts: dict[str, list[int]] = {}
        if all(values is not None for values in scores):
            counts = {name: [rule(values) for values in scores] for name, rule in RULES.items()}
        if curve.method == own:
            counts["as many as cited"] = [max(1, len(record["cited"])) for record in records]
        for name, kept in counts.items():
            point = _top(records, curve.method, kept)
            found.append(Chosen(curve.method, name, point, _between(curve, point)))
    return found


def _between(curve: Curve, point: Point) -> float:
    """Return the curve's F1 at the mean number that a rule kept."""
    kept = [fixed.kept.mean or 0.0 for fixed in curve.points]
    found = [fixed.f1.mean or 0.0 for fixed in curve.points]
    return float(np.interp(point.kept.mean or 0.0, kept, found))


def _top(records: Sequence[Record], method: str, counts: Sequence[int]) -> Point:
    """Return what keeping so many of a method's first passages of each question did."""
    return _point(records, _heads(records, method, counts))


def _heads(records: Sequence[Record], method: str, counts: Sequence[int]) -> list[list[int]]:
    """Return the passages that a method keeps of each question, in ascending order."""
    orders = [record["rankings"][method]["order"] for record in records]
    return [sorted(order[:count]) for order, count in zip(orders, counts, strict=True)]


def _point(records: Sequence[Record], sets: Sequence[Sequence[int]]) -> Point:
    """Return what keeping one set of passages of each question, in ascending order, did."""
    f1 = _f1(records, sets)
    exact = [answer["exact"] for answer in _answers(records, sets)]
    whole = _f1(records, [record["passages"] for record in records])
    covered = [
        set(record["supporting"]) <= set(indices)
        for record, indices in zip(records, sets, strict=True)
    ]
    return Point(
        mean_of(map(len, sets)),
        mean_of(f1),
        mean_of(exact),
        mean_of(_contained(records, sets)),
        _difference(f1, whole),
        mean_of(covered),
    )


def _answers(records: Sequence[Record], sets: Sequence[Sequence[int]]) -> list[Record]:
    return [r["answers"][key_of(indices)] for r, indices in zip(records, sets, strict=True)]


def _f1(records: Sequence[Record], sets: Sequence[Sequence[int]]) -> list[float]:
    return [answer["f1"] for answer in _answers(records, sets)]


def _contained(records: Sequence[Record], sets: Sequence[Sequence[int]]) -> list[float]:
    said = [final_answer(answer["text"]) for answer in _answers(records, sets)]
    return [contains(text, r["gold"]) for text, r in zip(said, records, strict=True)]


def _difference(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    return mean_of(mine - other for mine, other in zip(ours, theirs, strict=True))


def key_of(kept: Sequence[int]) -> str:
    """Return what a set of passages, in ascending order, is called in a record."""
    return " ".join(map(str, kept))
