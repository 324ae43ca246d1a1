"""How much of the passages a model used, over all that it wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from at2_rag.answer.attribution import Attribution
from at2_rag.answer.groups import Groups
from at2_rag.documents.passages import Passage
from at2_rag.documents.sources import Source, SourceUnit


@dataclass(frozen=True, eq=False)
class Usage:
    """What passages, and pieces of them, count for an answer with all its thoughts.

    Attributes:
        documents: The caller's passages, and behind them what else holds sources.
        kept: Indices of the passages that the model saw, in their order.
        unit: What the passages were cut into.
        response: The scores of the response.
        thoughts: The scores of what was thought before; ``None`` if nothing was.
    """

    documents: tuple[Passage, ...]
    kept: tuple[int, ...]
    unit: SourceUnit
    response: Attribution
    thoughts: Attribution | None

    def passages(self) -> list[tuple[int, float]]:
        """Return (passage index, score) of the passages the model saw, most used first."""
        scores = self._over_all(lambda found: found.passage_scores).tolist()
        ranked = sorted(self.kept, key=lambda index: -scores[index])
        return [(index, scores[index]) for index in ranked]

    def distinct_passages(self) -> list[tuple[int, float]]:
        """Return what :meth:`passages` does, with copies counted as one; these come last."""
        texts = [(index, self.documents[index].text) for index in self.kept]
        whole = [Source(index, 0, len(text), text) for index, text in texts]
        scores = dict(self.passages())
        shared = self._shared(whole, [scores[index] for index in self.kept], "passage")
        return [(self.kept[i], score) for i, score in shared]

    def sources(self) -> list[tuple[int, float]]:
        """Return (source index, score) of pieces of the caller's passages, most used first."""
        scores = self._over_all(lambda found: found.scores).tolist()
        kinds = (self.documents[source.passage_index].kind for source in self.response.sources)
        own = [index for index, kind in enumerate(kinds) if kind == "passage"]
        return [(index, scores[index]) for index in sorted(own, key=lambda i: -scores[i])]

    def distinct_sources(self) -> list[tuple[int, float]]:
        """Return what :meth:`sources` does, with copies counted as one; these come last."""
        own = sorted(self.sources())
        sources = [self.response.sources[index] for index, _ in own]
        shared = self._shared(sources, [score for _, score in own], self.unit)
        return [(own[i][0], score) for i, score in shared]

    def _shared(
        self, sources: Sequence[Source], scores: Sequence[float], unit: SourceUnit
    ) -> list[tuple[int, float]]:
        """Return (index, score) of sources, most used first; copies last."""
        groups = Groups.of(sources, self.documents, unit)
        totals = groups.total(torch.tensor(scores, dtype=torch.float64)).tolist()
        lowest = min([0.0, *totals])
        copy = [first != i for i, first in enumerate(groups.originals)]
        found = [(i, lowest if copy[i] else total) for i, total in enumerate(totals)]
        return sorted(found, key=lambda each: (copy[each[0]], -each[1]))

    def _over_all(self, table: Callable[[Attribution], Tensor]) -> Tensor:
        """Return the mean over all tokens of thoughts and response of each row of a table."""
        response = table(self.response)
        if self.thoughts is None:
            return response.sum(dim=1) / max(response.shape[1], 1)
        thoughts = table(self.thoughts)
        total = response.sum(dim=1)
        # What the thoughts had to go by comes first; they are no source of themselves.
        total[: len(thoughts)] += thoughts.sum(dim=1)
        return total / max(response.shape[1] + thoughts.shape[1], 1)
