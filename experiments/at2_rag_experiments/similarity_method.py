"""What people cite by today, beside words: how near a statement's meaning is to a source's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from at2_rag.ablation.task import AttributionTask
from torch import Tensor

from at2_rag_experiments.similarity import similarities


@dataclass(frozen=True)
class SimilarityMethod:
    """Cosines of a small model's embeddings; the reader's own model is not asked.

    Attributes:
        with_question: Whether the question is read before each statement.
    """

    with_question: bool = False

    @property
    def name(self) -> str:
        """``"minilm"``, or ``"minilm-with-question"``."""
        return "minilm-with-question" if self.with_question else "minilm"

    def scores(self, task: AttributionTask) -> Tensor:
        """Return (targets, sources), from -1 to 1.

        Raises:
            MissingExtraError: If the small model is not installed.
        """
        sources = [source.text for source in task.answer.attribution.sources]
        statements = [statement.text for statement in task.answer.statements]
        if self.with_question:
            statements = [f"{task.answer.question} {text}" for text in statements]
        if not (sources and statements):
            return torch.zeros(len(statements), len(sources))
        return similarities(statements, sources)

    def forward_passes(self, task: AttributionTask) -> float:
        """Return 0: those of the small model are not counted."""
        return 0.0


#: By name, as in tables.
SIMILARITY_METHODS = {m.name: m for m in (SimilarityMethod(), SimilarityMethod(True))}
