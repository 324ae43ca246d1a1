"""Citations that stand a test: the best-scored sources of a statement are really left out.

Scores say what a statement may go back to, and leaving that out says whether it does. All that is
to be left out of an answer is left out in one call, and each ablation tells of all statements.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import torch
from torch import Tensor

from at2_rag.ablation.task import AttributionTask, MaskingKind
from at2_rag.answer.answer import Answer
from at2_rag.answer.citing import citation_of, numbered
from at2_rag.answer.groups import TELLING_UNITS, Groups
from at2_rag.answer.statement import Citation, Statement
from at2_rag.documents.copies import plain
from at2_rag.estimators.calibration import Calibration
from at2_rag.prompt.settings import Settings

#: Fall of a statement's log-probability from which on a citation stands, in nats, where no
#: calibration names another: half as likely.
EFFECT = math.log(2)

#: Which of a task's regions are left out together, in ascending order.
_LeftOut = tuple[int, ...]

#: Index of a passage, and characters of a piece of it.
_Place = tuple[int, int, int]


@dataclass(frozen=True)
class _Test:
    """A citation to be proven.

    Attributes:
        citation: The citation, without a number.
        out: What to leave out.
    """

    citation: Citation
    out: _LeftOut


@dataclass(frozen=True)
class _Tests:
    """What is tried for one statement.

    Attributes:
        own: Sources that the statement itself may go back to, best score first.
        inherited: Sources that it may go back to by way of what was said before.
        thoughts: Citations of thoughts, which are not tried.
    """

    own: tuple[_Test, ...]
    inherited: tuple[_Test, ...]
    thoughts: tuple[Citation, ...]

    @property
    def together(self) -> _LeftOut:
        """All that it may itself go back to."""
        return tuple(sorted({region for test in self.own for region in test.out}))

    @property
    def alone(self) -> set[_LeftOut]:
        """What is left out by itself."""
        return {test.out for test in (*self.own, *self.inherited)}


@dataclass(frozen=True)
class Proven:
    """An answer whose citations stand, and what it took to know that.

    Attributes:
        answer: The answer with the citations that stand.
        passes: How many passes over prompt and answer it took, by tokens that were run.
    """

    answer: Answer
    passes: float


@dataclass(frozen=True)
class Proof:
    """What has to be left out of an answer's context to prove its citations.

    Attributes:
        task: The answer, cited by scores, and what it was answered from.
        settings: How many sources to try of each statement, and how many to cite.
        same: Which regions say the same as a source, its own among them, by the source's place.
        tests: What is tried for each statement.
    """

    task: AttributionTask
    settings: Settings
    same: Mapping[_Place, _LeftOut]
    tests: tuple[_Tests, ...]

    @classmethod
    def of(cls, task: AttributionTask, settings: Settings) -> Proof:
        """Choose what to leave out.

        Of each statement, so many sources as ``settings.prove`` says, those that score best, above
        0 and above ``min_score``. Sentences or passages that say the same, white space, case and
        typography aside, are left out together and count once, wherever they stand, and with each
        its copies. What a statement inherits by its scores is left
        out together with what repeats it on the way.

        Args:
            task: The answer, cited by scores, and what it was answered from.
            settings: The settings that the question was answered with.
        """
        answer = task.answer
        groups = Groups.of(answer.attribution.sources, answer.passages, settings.source_unit)
        same = _saying_the_same(task, settings, groups)
        chooser = _Chooser(task, settings, groups, same)
        return cls(task, settings, same, tuple(map(chooser.tests, range(len(task.targets)))))

    def run(self, calibration: Calibration | None) -> Proven:
        """Leave it all out, and return the answer with the citations that stand.

        A citation stands if the statement is less likely without it, by the calibration's effect.
        Where no source of a statement stands alone, all are left out together: if these stand, the
        statement is supported. If, beyond what each has alone, they have the effect together, they
        hide each other: the one of the greatest effect is cited, however small that is. Where many
        have a little each, none is. An inherited citation has to stand where it comes from too.

        Args:
            calibration: What effect counts; half as likely with ``None``, and with one that no
                ablation had a say in.

        Raises:
            NumericalError: If the model produced NaN.
        """
        if not self.tests:  # as of a model that was cut off in its thoughts
            return Proven(self.task.answer, 0.0)
        least = (calibration and calibration.effect) or EFFECT
        trial = _Trial(self.task, self.settings.prove_by)
        trial.leave_out({out for tests in self.tests for out in tests.alone})
        hidden = [
            tests.together
            for target, tests in enumerate(self.tests)
            if all(trial.drop(target, test.out) < least for test in tests.own)
        ]
        trial.leave_out(set(hidden))
        return Proven(self._answer(trial, least), trial.passes)

    def _answer(self, trial: _Trial, least: float) -> Answer:
        answer, done = self.task.answer, list[Statement]()
        for target, statement in enumerate(answer.statements):
            done.append(self._proven(statement, target, trial, least, done))
        thoughts = answer.thoughts
        statements, thought = numbered(done, () if thoughts is None else thoughts.statements)
        if thoughts is not None:
            thoughts = replace(thoughts, statements=thought)
        return replace(answer, statements=statements, thoughts=thoughts)

    def _proven(
        self,
        statement: Statement,
        target: int,
        trial: _Trial,
        least: float,
        done: Sequence[Statement],
    ) -> Statement:
        if statement.refusal:
            return statement
        tests = self.tests[target]
        own, inherited = (
            [replace(test.citation, effect=trial.drop(target, test.out)) for test in group]
            for group in (tests.own, tests.inherited)
        )
        standing = _standing(own, least)
        supported = bool(standing)
        if not standing:
            together = trial.drop(target, tests.together)
            supported = together >= least
            if together - sum(max(0.0, test.effect or 0.0) for test in own) >= least:
                standing = _standing(own, -math.inf)[:1]
        known = {self.same[citation.place] for citation in standing}
        passed_on = [
            citation
            for citation in _standing(inherited, least)
            if (said := self.same[citation.place]) not in known
            and (citation.via is None or _cites(done[citation.via], said, self.same))
        ]
        most = self.settings.max_citations
        citations = (*[*standing, *passed_on][:most], *tests.thoughts)
        return replace(statement, citations=citations, supported=supported or bool(passed_on))


class _Trial:
    """What leaving out some regions of a task does to each of its statements.

    Attributes:
        passes: How many passes over prompt and answer were made so far, by tokens that were run.

    Args:
        task: The answer, and what it was answered from.
        by: What regions are hidden from: all tokens, or those behind the prompt's sources.
    """

    def __init__(self, task: AttributionTask, by: MaskingKind) -> None:
        self.passes = 0.0
        self._targets, self._regions = task.targets, len(task.regions)
        said = task.regions["thoughts"], task.regions["targets"]
        self._ablator = task.ablator_with([*chain(*said)], by=by).workable
        self._log_p: dict[_LeftOut, Tensor] = {}

    def drop(self, target: int, out: _LeftOut) -> float:
        """Return how much less likely a statement is without some regions, in nats.

        Args:
            target: Index of the statement among the answer's.
            out: The regions that are left out, which were.
        """
        return float(self._log_p[()][target] - self._log_p[out][target]) if out else 0.0

    def leave_out(self, wanted: set[_LeftOut]) -> None:
        """Leave out what was not yet, and before all else nothing.

        Args:
            wanted: Regions to leave out together.
        """
        if not wanted - {()}:
            return
        new = sorted((wanted | {()}) - self._log_p.keys())
        if not new:
            return
        masks = torch.ones(len(new), self._regions, dtype=torch.bool)
        for row, out in enumerate(new):
            masks[row, list(out)] = False
        self.passes += self._ablator.cost(masks)
        log_p = self._ablator.ablate(masks).log_probabilities(self._targets)
        self._log_p |= dict(zip(new, log_p.T, strict=True))


@dataclass(frozen=True)
class _Chooser:
    """Chooses what to leave out to prove what an answer cites."""

    task: AttributionTask
    settings: Settings
    groups: Groups
    same: Mapping[_Place, _LeftOut]

    def tests(self, target: int) -> _Tests:
        """Return what is to be tried for a statement."""
        if self.task.answer.statements[target].refusal:
            return _Tests((), (), ())
        citations = self.task.answer.statements[target].citations
        return _Tests(
            tuple(self._own(target)),
            tuple(
                _Test(citation, self._on_the_way(citation, target))
                for citation in citations
                if citation.inherited and citation.kind != "thought"
            ),
            tuple(citation for citation in citations if citation.kind == "thought"),
        )

    def _own(self, target: int) -> list[_Test]:
        attribution, passages = self.task.answer.attribution, self.task.answer.passages
        span = attribution.statements[target]
        least = self.settings.min_score or 0.0
        scores = self.groups.total(attribution.for_span(*span)).tolist()
        scored = [
            citation_of(
                source, passages[source.passage_index], score, span, self.groups.copies(index)
            )
            for index, (source, score) in enumerate(zip(self.groups.sources, scores, strict=True))
            if passages[source.passage_index].kind != "thought" and 0 < score >= least
        ]
        found: dict[_LeftOut, _Test] = {}
        for citation in sorted(scored, key=lambda citation: -citation.score):
            said = self.same[citation.place]
            found.setdefault(said, _Test(citation, said))
        return list(found.values())[: self.settings.prove]

    def _on_the_way(self, citation: Citation, target: int) -> _LeftOut:
        """Return the regions of a source, and of what was thought or said before that cites it."""
        regions, answer, said = self.task.regions, self.task.answer, self.same[citation.place]
        thoughts = () if answer.thoughts is None else answer.thoughts.statements
        before = chain(
            zip(thoughts, regions.indices("thoughts"), strict=True),
            zip(answer.statements[:target], regions.indices("targets"), strict=False),
        )
        repeating = [region for earlier, region in before if _cites(earlier, said, self.same)]
        return tuple(sorted({*said, *repeating}))


def _saying_the_same(
    task: AttributionTask, settings: Settings, groups: Groups
) -> dict[_Place, _LeftOut]:
    """Return which regions say the same as each source, its own among them, by its place."""
    passages = task.answer.passages
    regions: dict[Hashable, list[int]] = {}
    keys: dict[_Place, Hashable] = {}
    indices = task.regions.indices("sources")
    for region, source, first in zip(indices, groups.sources, groups.originals, strict=True):
        thought = passages[source.passage_index].kind == "thought"
        alone = thought or settings.source_unit not in TELLING_UNITS
        keys[source.place] = source.place if alone else plain(groups.sources[first].text)
        regions.setdefault(keys[source.place], []).append(region)
    return {place: tuple(regions[key]) for place, key in keys.items()}


def _standing(citations: Sequence[Citation], least: float) -> list[Citation]:
    """Return the citations that have the effect, the greatest first."""
    found = [c for c in citations if c.effect is not None and c.effect >= least]
    return sorted(found, key=lambda citation: -(citation.effect or 0.0))


def _cites(statement: Statement, said: _LeftOut, same: Mapping[_Place, _LeftOut]) -> bool:
    """Return whether a statement cites a source that says what the given regions say."""
    return any(same.get(citation.place) == said for citation in statement.citations)
