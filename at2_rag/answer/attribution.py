"""The score table: how much each source mattered for each token of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from at2_rag.answer.in_short import counted
from at2_rag.documents.sources import Source
from at2_rag.errors import InputError, missing_extra
from at2_rag.spans import Span, touching

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False, repr=False)
class Attribution:
    """Scores of sources for the tokens of an answer.

    The score of a source for a span of the answer is the mean over the span's tokens of the
    coefficient-weighted attention summed over the source's tokens (paper, section 3.2). Unitless.

    Attributes:
        sources: The pieces of passages and other documents that were scored.
        scores: (sources, answer tokens), float32, on the CPU: how much each token leans on each
            source.
        passage_scores: (passages, answer tokens): how much each token leans on each whole passage
            with its title, one row for each of the answer's passages; zero for those the model did
            not see.
        token_spans: Characters of the answer that each answer token stands for.
        answer_length: How many characters the answer has.
        statements: Characters [start, end) of each statement of the answer.
        statement_scores: (statements, answer tokens): how much each token leans on each statement
            that ended before it; zero for others, and where no estimator scored them.
        thought_scores: (sentences of the thoughts, answer tokens): how much each token leans on
            each sentence of the thoughts; without rows where nothing was thought before.
    """

    sources: tuple[Source, ...]
    scores: Tensor
    passage_scores: Tensor
    token_spans: tuple[Span, ...]
    answer_length: int
    statements: tuple[Span, ...]
    statement_scores: Tensor
    thought_scores: Tensor

    def __repr__(self) -> str:
        tokens, sources = counted(self.scores.shape[1], "token"), len(self.sources)
        return f"<Attribution of {tokens} to {counted(sources, 'source')}>"

    def by_source(self) -> Tensor:
        """Return (sources,): scores for the whole answer."""
        return self._mean(self.scores, None)

    def for_span(self, start: int, end: int) -> Tensor:
        """Return (sources,): scores for characters [start, end) of the answer.

        Raises:
            InputError: If the span is empty or not within the answer.
        """
        return self._mean(self.scores, (start, end))

    def by_statement(self, start: int, end: int) -> Tensor:
        """Return (statements,): how much characters [start, end) lean on earlier statements.

        Raises:
            InputError: If the span is empty or not within the answer.
        """
        return self._mean(self.statement_scores, (start, end))

    def by_thought(self, start: int, end: int) -> Tensor:
        """Return (thoughts,): how much characters [start, end) lean on sentences of the thoughts.

        Raises:
            InputError: If the span is empty or not within the answer.
        """
        return self._mean(self.thought_scores, (start, end))

    def by_passage(self, span: Span | None = None) -> Tensor:
        """Return (passages,): scores of whole passages for a span, or for the whole answer."""
        return self._mean(self.passage_scores, span)

    def tokens_touching(self, start: int, end: int) -> list[int]:
        """Return the answer tokens that stand for any of the answer's characters [start, end)."""
        return touching(self.token_spans, start, end)

    def top(self, k: int, span: Span | None = None) -> list[tuple[Source, float]]:
        """Return the ``k`` highest-scoring sources with their scores, highest first.

        Raises:
            InputError: If ``k`` is below 1, or the span is not within the answer.
        """
        if k < 1:
            raise InputError(f"k is {k}; expected at least 1.")
        scores = self._mean(self.scores, span)
        order = torch.argsort(scores, descending=True, stable=True)[:k].tolist()
        return [(self.sources[i], float(scores[i])) for i in order]

    def to_pandas(self, span: Span | None = None) -> pandas.DataFrame:
        """Return one row per source: passage_index, start, end, text, score.

        Raises:
            ImportError: If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise missing_extra("to_pandas", "pandas", "pandas") from error
        rows = [(s.passage_index, s.start, s.end, s.text) for s in self.sources]
        frame = pandas.DataFrame(rows, columns=["passage_index", "start", "end", "text"])
        return frame.assign(score=self._mean(self.scores, span).tolist())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "sources": [[s.passage_index, s.start, s.end, s.text] for s in self.sources],
            "scores": self.scores.tolist(),
            "passage_scores": self.passage_scores.tolist(),
            "token_spans": [list(span) for span in self.token_spans],
            "answer_length": self.answer_length,
            "statements": [list(span) for span in self.statements],
            "statement_scores": self.statement_scores.tolist(),
            "thought_scores": self.thought_scores.tolist(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Attribution:
        """Return what :meth:`to_dict` was called on."""
        tokens = len(data["token_spans"])

        def table(name: str) -> Tensor:
            return torch.tensor(data[name]).view(len(data[name]), tokens)

        return cls(
            tuple(Source(*source) for source in data["sources"]),
            table("scores"),
            table("passage_scores"),
            tuple((start, end) for start, end in data["token_spans"]),
            data["answer_length"],
            tuple((start, end) for start, end in data["statements"]),
            table("statement_scores"),
            table("thought_scores"),
        )

    def _mean(self, scores: Tensor, span: Span | None) -> Tensor:
        """Return the mean over the tokens that touch the span; zero where there are none."""
        if span is None:
            chosen = list(range(scores.shape[1]))
        else:
            self._check_span(span)
            chosen = self.tokens_touching(*span)
        if not chosen:
            return torch.zeros(scores.shape[0])
        return scores[:, chosen].mean(dim=1)

    def _check_span(self, span: Span) -> None:
        start, end = span
        if not 0 <= start < end <= self.answer_length:
            raise InputError(
                f"The span [{start}, {end}) is not within the answer's {self.answer_length} "
                "characters; expected 0 <= start < end <= length."
            )
