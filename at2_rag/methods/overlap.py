"""Word overlap of statement and source: what people cite by where no model is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from at2_rag.ablation.task import AttributionTask
from at2_rag.errors import missing_extra


@dataclass(frozen=True)
class WordOverlapMethod:
    """BM25 of a statement's words, or of the question's and its own, in each source.

    Knows nothing of the model. Scores are at least 0, and 0 where no telling word is shared.

    Attributes:
        with_question: Whether words of the question count as well, which helps where a statement
            is a name or a number alone.
    """

    with_question: bool = False

    @property
    def name(self) -> str:
        """``"bm25"``, or ``"bm25-with-question"``."""
        return "bm25-with-question" if self.with_question else "bm25"

    def scores(self, task: AttributionTask) -> Tensor:
        """Return (targets, sources).

        Raises:
            ImportError: If bm25s is not installed.
        """
        sources = [source.text for source in task.answer.attribution.sources]
        statements = [statement.text for statement in task.answer.statements]
        if not (sources and statements):
            return torch.zeros(len(statements), len(sources))
        asked = f"{task.answer.question} " if self.with_question else ""
        found = _bm25()
        return torch.stack(
            [torch.from_numpy(found(asked + text, sources)).float() for text in statements]
        )

    def forward_passes(self, task: AttributionTask) -> float:
        """Return 0."""
        return 0.0


def _bm25() -> Callable[..., Any]:
    try:
        from at2_rag.documents.bm25 import bm25_scores
    except ImportError as error:
        raise missing_extra("Word overlap", "bm25s", "cli") from error
    return bm25_scores
