"""Citations: for each statement of an answer, the sources that made the model say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from at2_rag.answer.attribution import Attribution
from at2_rag.answer.groups import Groups
from at2_rag.answer.refusals import is_refusal
from at2_rag.answer.statement import Citation, Statement
from at2_rag.answer.thoughts import Thoughts
from at2_rag.documents.passages import Passage
from at2_rag.documents.sources import Source
from at2_rag.estimators.calibration import Calibration
from at2_rag.prompt.settings import Settings
from at2_rag.spans import Span

#: A source is cited beside the strongest one if its score is at least this share of that one's.
RELATIVE_SCORE = 0.5


@dataclass(frozen=True)
class Cited:
    """An answer's statements and thoughts with their citations.

    Attributes:
        statements: The answer's statements with their citations.
        attribution: The scores behind the statements' citations.
        thoughts: What was thought before the answer, with citations; ``None`` if nothing was.
    """

    statements: tuple[Statement, ...]
    attribution: Attribution
    thoughts: Thoughts | None = None


def cite(
    text: str,
    attribution: Attribution,
    passages: Sequence[Passage],
    settings: Settings,
    calibration: Calibration | None = None,
    thoughts: Thoughts | None = None,
    *,
    shared: bool = True,
) -> Cited:
    """Cite every statement of an answer, and of the thoughts before it.

    With a calibration, a source is cited if its score reaches the threshold, and of a supported
    statement its strongest in any case. Without one, it is cited if its score is positive and at
    least ``RELATIVE_SCORE`` of the statement's highest. Thoughts and all other sources are counted
    apart. Copies of a source count with it, and are cited with it as one.

    Args:
        text: The text of the answer.
        attribution: How much each token of the answer leans on each source.
        passages: The passages and other documents that the sources are pieces of.
        settings: How many citations, from which score on, and whether they are inherited.
        calibration: The scores from which on a citation is real, for these sources; ``None`` if
            nobody has measured them.
        thoughts: What was thought before the answer, scored, to be cited; ``None`` if nothing was.
        shared: Whether copies of a source have each a share of its score, so that it is their sum,
            as of what a model looks at; else each has all of it, as of what words are compared by.
    """
    citer = _Citer(passages, settings, calibration, shared)
    thought: tuple[Statement, ...] = ()
    if thoughts is not None:
        thought = citer.cite(thoughts.text, thoughts.attribution)
    statements, thought = numbered(citer.cite(text, attribution, thought), thought)
    if thoughts is not None:
        thoughts = replace(thoughts, statements=thought)
    return Cited(statements, attribution, thoughts)


def numbered(
    statements: Sequence[Statement], thoughts: Sequence[Statement]
) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
    """Return statements and thoughts whose sources are numbered, from 1 in order of first use.

    Args:
        statements: The answer's statements, which come first since they are what is read.
        thoughts: What was thought before the answer; its own sources go on from these numbers.
    """
    numbers = _Numbers()
    return numbers.give(statements), numbers.give(thoughts)


class _Numbers:
    """Numbers sources in order of first use."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, int, int], int] = {}

    def give(self, statements: Sequence[Statement]) -> tuple[Statement, ...]:
        """Return statements whose citations have their numbers."""
        return tuple(
            replace(statement, citations=tuple(map(self._numbered, statement.citations)))
            for statement in statements
        )

    def _numbered(self, citation: Citation) -> Citation:
        number = self._numbers.setdefault(citation.place, len(self._numbers) + 1)
        return replace(citation, number=number)


@dataclass(frozen=True)
class _Lean:
    """An earlier statement that one leans on."""

    statement: Statement
    via: int | None
    via_thought: int | None
    score: float


@dataclass(frozen=True)
class _Citer:
    """Cites statements of one text; citations are not numbered yet."""

    passages: Sequence[Passage]
    settings: Settings
    calibration: Calibration | None
    shared: bool

    def cite(
        self, text: str, attribution: Attribution, thoughts: Sequence[Statement] = ()
    ) -> tuple[Statement, ...]:
        """Cite every statement of a text.

        Args:
            text: The text whose statements are cited.
            attribution: How much each token of the text leans on each source.
            thoughts: Statements of what was thought before the text, with their citations.
        """
        done: list[Statement] = []
        groups = Groups.of(attribution.sources, self.passages, self.settings.source_unit)
        for span in attribution.statements:
            if is_refusal(text[slice(*span)], self.settings.refusals):
                done.append(Statement(text[slice(*span)], *span, (), refusal=True))
                continue
            scores = (groups.total if self.shared else groups.best)(attribution.for_span(*span))
            tokens = len(attribution.tokens_touching(*span))
            leaned = self._leaned_on(attribution, span, tokens, thoughts, done)
            own = self._own(groups, scores, tokens, span)
            supported = None
            if self.calibration is not None:
                outside = [i for i, s in enumerate(groups.sources) if not self._thought(s)]
                least = self.calibration.least(self.calibration.supported, tokens)
                direct = bool((scores[outside] >= least).any())
                supported = direct or any(lean.statement.supported for lean in leaned)
            citations = self._bounded([*own, *_inherited(own, leaned, span)])
            done.append(Statement(text[slice(*span)], *span, citations, supported))
        return tuple(done)

    def _thought(self, source: Source) -> bool:
        return self.passages[source.passage_index].kind == "thought"

    def _bounded(self, citations: Sequence[Citation]) -> tuple[Citation, ...]:
        """Return as many as are wanted, of thoughts and of all else; thoughts last."""
        most = self.settings.max_citations
        thoughts = [citation for citation in citations if citation.kind == "thought"]
        others = [citation for citation in citations if citation.kind != "thought"]
        return (*others[:most], *thoughts[:most])

    def _own(self, groups: Groups, scores: Tensor, tokens: int, span: Span) -> list[Citation]:
        best = float(scores.max()) if len(scores) else 0.0
        found = []
        for thought in (False, True):
            some = [i for i, s in enumerate(groups.sources) if self._thought(s) == thought]
            for i in self._chosen(some, scores, tokens, best):
                source, copies = groups.sources[i], groups.copies(i)
                passage = self.passages[source.passage_index]
                found.append(citation_of(source, passage, float(scores[i]), span, copies))
        return found

    def _chosen(self, some: list[int], scores: Tensor, tokens: int, best: float) -> list[int]:
        """Return which of some sources are cited, strongest first.

        Args:
            some: Indices of the sources to choose from.
            scores: (sources,): how much the statement leans on each source with its copies, of
                those to choose from or not.
            tokens: How many tokens the statement has.
            best: The highest score of any source, of those to choose from or not.
        """
        settings, calibration = self.settings, self.calibration
        own = scores[some]
        ranked = torch.argsort(own, descending=True, stable=True)[: settings.max_citations]
        order = [some[i] for i in ranked.tolist()]
        if not order:
            return []
        if calibration is None:
            least = RELATIVE_SCORE * best
        elif float(scores[order[0]]) < calibration.least(calibration.supported, tokens):
            return []
        else:
            strongest = float(scores[order[0]])
            least = min(calibration.least(calibration.citations, tokens), strongest)
        if settings.min_score is not None:
            least = max(least, settings.min_score)
        return [i for i in order if scores[i] > 0 and scores[i] >= least]

    def _leaned_on(
        self,
        attribution: Attribution,
        span: Span,
        tokens: int,
        thoughts: Sequence[Statement],
        done: Sequence[Statement],
    ) -> list[_Lean]:
        """Return the earlier statements that one leans on, the most first."""
        calibration = self.calibration
        if not self.settings.transitive or calibration is None or calibration.earlier is None:
            return []
        least = calibration.least(calibration.earlier, tokens)
        by_thought = attribution.by_thought(*span).tolist()
        by_statement = attribution.by_statement(*span).tolist()
        found = [
            *(_Lean(s, None, i, by_thought[i]) for i, s in enumerate(thoughts)),
            *(_Lean(s, i, None, by_statement[i]) for i, s in enumerate(done)),
        ]
        leaned = [lean for lean in found if lean.score > 0 and lean.score >= least]
        return sorted(leaned, key=lambda lean: -lean.score)


def citation_of(
    source: Source, passage: Passage, score: float, span: Span, also_in: tuple[Source, ...] = ()
) -> Citation:
    """Return a citation without a number.

    Args:
        source: What is cited.
        passage: The passage or other document that the source is a piece of.
        score: How much the statement leans on the source and its copies.
        span: Characters of the statement in its text.
        also_in: The source's copies.
    """
    return Citation(
        number=0,
        start=span[0],
        end=span[1],
        passage_index=source.passage_index,
        passage_id=passage.id,
        title=passage.title,
        url=passage.url,
        source_start=source.start,
        source_end=source.end,
        text=source.text,
        score=score,
        kind=passage.kind,
        also_in=also_in,
    )


def _inherited(own: Sequence[Citation], leaned: Sequence[_Lean], span: Span) -> list[Citation]:
    """Return the citations of earlier statements, each once and none that the statement has."""
    known = {citation.place for citation in own}
    found: dict[tuple[int, int, int], Citation] = {}
    for lean in leaned:
        for citation in lean.statement.citations:
            if citation.place not in known and citation.place not in found:
                found[citation.place] = replace(
                    citation,
                    start=span[0],
                    end=span[1],
                    score=lean.score,
                    via=lean.via,
                    via_thought=lean.via_thought,
                )
    return list(found.values())
