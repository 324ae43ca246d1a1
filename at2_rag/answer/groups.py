"""Groups: sources that say the same share their credit, and are cited as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from at2_rag.documents.copies import originals
from at2_rag.documents.passages import Passage
from at2_rag.documents.sources import Source, SourceUnit

#: Units that say something, so that one can say the same as another.
TELLING_UNITS = ("sentence", "passage")


@dataclass(frozen=True)
class Groups:
    """Which sources say the same.

    Attributes:
        sources: The pieces of passages and other documents.
        originals: For each source the index of the one that stands for it and its copies.
    """

    sources: tuple[Source, ...]
    originals: tuple[int, ...]

    @classmethod
    def of(cls, sources: Sequence[Source], passages: Sequence[Passage], unit: SourceUnit) -> Groups:
        """Find the copies among sources.

        Words and tokens say nothing by themselves, and thoughts are the model's own: they have
        none.

        Args:
            sources: The pieces of the passages, in their order.
            passages: The passages and other documents that the sources are pieces of.
            unit: What a source is.
        """
        if unit not in TELLING_UNITS:
            return cls(tuple(sources), tuple(range(len(sources))))
        thoughts = {i for i, s in enumerate(sources) if passages[s.passage_index].kind == "thought"}
        return cls(tuple(sources), originals(sources, passages, thoughts))

    def total(self, scores: Tensor) -> Tensor:
        """Return (sources,): the sum over each group, given to its original; 0 for copies.

        Args:
            scores: (sources,): how much each source mattered by itself.
        """
        return torch.zeros_like(scores).index_add_(0, torch.tensor(self.originals).long(), scores)

    def best(self, scores: Tensor) -> Tensor:
        """Return (sources,): the highest score of each group, given to its original; 0 for copies.

        Args:
            scores: (sources,): how much each source resembles something, whatever the others do.
        """
        index = torch.tensor(self.originals).long()
        return torch.zeros_like(scores).scatter_reduce_(
            0, index, scores, "amax", include_self=False
        )

    def copies(self, index: int) -> tuple[Source, ...]:
        """Return the copies of a source, in their order; none of one that is a copy itself."""
        same = (i for i, first in enumerate(self.originals) if first == index != i)
        return tuple(self.sources[i] for i in same)
