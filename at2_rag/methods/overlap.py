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
    def shared_by_copies(self) -> bool:
        """``False``: a source is compared by itself, however many copies it has."""
        return False

    @property
    def name(self) -> str:
        """``"bm25"``, or ``"bm25-with-question"``."""
        return "bm25-with-question" if self.with_question else "bm25"

    def scores(self, task: AttributionTask) -> Tensor:
        """Return (targets, sources).

        Raises:
            ImportError: If bm25s is not installed.
        """
        statements, sources = compared_texts(task, with_question=self.with_question)
        return torch.from_numpy(_bm25()(statements, sources))

    def forward_passes(self, task: AttributionTask) -> float:
        """Return 0."""
        return 0.0


def compared_texts(task: AttributionTask, *, with_question: bool) -> tuple[list[str], list[str]]:
    """Return the texts of statements and of sources, to be compared.

    Args:
        task: The answer to explain.
        with_question: Whether the question stands before each statement.
    """
    answer = task.answer
    asked = f"{answer.question} " if with_question else ""
    statements = [f"{asked}{statement.text}" for statement in answer.statements]
    return statements, [source.text for source in answer.attribution.sources]


def _bm25() -> Callable[..., Any]:
    try:
        from at2_rag.documents.bm25 import bm25_scores
    except ImportError as error:
        raise missing_extra("Word overlap", "bm25s", "cli") from error
    return bm25_scores
