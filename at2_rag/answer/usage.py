"""How much of the passages was used, or looked at, with copies counted as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from at2_rag.answer.attribution import Attribution
from at2_rag.answer.groups import Groups
from at2_rag.documents.passages import Passage
from at2_rag.documents.sources import Source, SourceUnit


@dataclass(frozen=True, eq=False)
class Usage:
    """What passages, and pieces of them, count for.

    Attributes:
        documents: The caller's passages, and perhaps behind them what else holds sources.
        kept: Indices of the passages that the model saw, in their order.
        unit: What the passages were cut into.
        sources: The pieces of the documents that were scored.
        by_source: (sources,): the score of each.
        by_document: (documents,): the score of each as a whole; of those that the model did not
            see, any number.
    """

    documents: tuple[Passage, ...]
    kept: tuple[int, ...]
    unit: SourceUnit
    sources: tuple[Source, ...]
    by_source: Tensor
    by_document: Tensor

    def ranked_passages(self) -> list[tuple[int, float]]:
        """Return (passage index, score) of the passages the model saw, most used first."""
        scores = self.by_document.tolist()
        ranked = sorted(self.kept, key=lambda index: -scores[index])
        return [(index, scores[index]) for index in ranked]

    def distinct_passages(self) -> list[tuple[int, float]]:
        """Return what :meth:`ranked_passages` does, with copies counted as one.

        A passage that was retrieved twice has the scores of both; its copies come last, with 0, or
        with the lowest score where that is lower.
        """
        texts = [(index, self.documents[index].text) for index in self.kept]
        whole = [Source(index, 0, len(text), text) for index, text in texts]
        shared = self._shared(whole, self.by_document[list(self.kept)], "passage")
        return [(self.kept[i], score) for i, score in shared]

    def ranked_sources(self) -> list[tuple[int, float]]:
        """Return (source index, score) of pieces of the caller's passages, most used first."""
        scores = self.by_source.tolist()
        return [(index, scores[index]) for index in sorted(self._own, key=lambda i: -scores[i])]

    def distinct_sources(self) -> list[tuple[int, float]]:
        """Return what :meth:`ranked_sources` does, with copies counted as one, last as above."""
        own = self._own
        shared = self._shared([self.sources[i] for i in own], self.by_source[own], self.unit)
        return [(own[i], score) for i, score in shared]

    @property
    def _own(self) -> list[int]:
        """Indices of the sources that are pieces of the caller's passages."""
        kinds = (self.documents[source.passage_index].kind for source in self.sources)
        return [index for index, kind in enumerate(kinds) if kind == "passage"]

    def _shared(
        self, sources: Sequence[Source], scores: Tensor, unit: SourceUnit
    ) -> list[tuple[int, float]]:
        """Return (index, score) of sources, most used first; copies last."""
        groups = Groups.of(sources, self.documents, unit)
        totals = groups.total(scores.double()).tolist()
        lowest = min([0.0, *totals])
        copy = [first != i for i, first in enumerate(groups.originals)]
        found = [(i, lowest if copy[i] else total) for i, total in enumerate(totals)]
        return sorted(found, key=lambda each: (copy[each[0]], -each[1]))


def over_all(response: Attribution, thoughts: Attribution | None) -> tuple[Tensor, Tensor]:
    """Return (sources,) and (documents,): means over all tokens of thoughts and response.

    Args:
        response: The scores of the response.
        thoughts: The scores of what was thought before; ``None`` if nothing was.
    """
    before = (None, None) if thoughts is None else (thoughts.scores, thoughts.passage_scores)
    return _mean(response.scores, before[0]), _mean(response.passage_scores, before[1])


def _mean(response: Tensor, thoughts: Tensor | None) -> Tensor:
    """Return (rows,): the mean of each row over the columns of both."""
    if thoughts is None:
        return response.sum(dim=1) / max(response.shape[1], 1)
    total = response.sum(dim=1)
    # What the thoughts had to go by comes first; they are no source of themselves.
    total[: len(thoughts)] += thoughts.sum(dim=1)
    return total / max(response.shape[1] + thoughts.shape[1], 1)
