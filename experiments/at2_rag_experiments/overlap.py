"""What people cite by today: how much a statement's words, or its meaning, are a source's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from at2_rag.ablation.task import AttributionTask
from at2_rag.documents.bm25 import bm25_scores
from at2_rag.errors import InputError
from torch import Tensor

from at2_rag_experiments.similarity import similarities

#: Returns (queries, texts): how well each text answers to each query.
Compare = Callable[[Sequence[str], Sequence[str]], Tensor]


def by_words(queries: Sequence[str], texts: Sequence[str]) -> Tensor:
    """Return (queries, texts): BM25 of the words that they share."""
    return torch.stack([torch.from_numpy(bm25_scores(query, texts)) for query in queries])


_COMPARE: dict[str, Compare] = {"bm25": by_words, "minilm": similarities}
_WITH_QUESTION = "-with-question"

#: Methods that look at texts alone: whether with the statement, or with question and statement.
OVERLAP_METHODS = (*_COMPARE, *(f"{name}{_WITH_QUESTION}" for name in _COMPARE))


@dataclass(frozen=True)
class OverlapMethod:
    """How alike a statement and a source are; the model is not asked.

    Attributes:
        name: One of :data:`OVERLAP_METHODS`.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name not in OVERLAP_METHODS:
            raise InputError(
                f"There is no overlap method {self.name!r}; expected one of "
                f"{', '.join(OVERLAP_METHODS)}."
            )

    def scores(self, task: AttributionTask) -> Tensor:
        """Return (targets, sources).

        Raises:
            ImportError: If what compares meanings is not installed.
        """
        sources = [source.text for source in task.answer.attribution.sources]
        statements = [statement.text for statement in task.answer.statements]
        if not (sources and statements):
            return torch.zeros(len(statements), len(sources))
        if self.name.endswith(_WITH_QUESTION):
            statements = [f"{task.answer.question} {text}" for text in statements]
        return _COMPARE[self.name.removesuffix(_WITH_QUESTION)](statements, sources).float()

    def forward_passes(self, task: AttributionTask) -> float:
        """Return 0."""
        return 0.0
