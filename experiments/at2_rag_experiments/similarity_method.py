"""What people cite by today, beside words: how near a statement's meaning is to a source's."""

from __future__ import annotations

from dataclasses import dataclass

from at2_rag.ablation.task import AttributionTask
from at2_rag.methods.overlap import compared_texts
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
        statements, sources = compared_texts(task, with_question=self.with_question)
        return similarities(statements, sources)

    def forward_passes(self, task: AttributionTask) -> float:
        """Return 0: those of the small model are not counted."""
        return 0.0


#: By name, as in tables.
SIMILARITY_METHODS = {m.name: m for m in (SimilarityMethod(), SimilarityMethod(True))}
