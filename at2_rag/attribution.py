"""The score table: how much each source mattered for each token of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from at2_rag.encoding import EncodedPrompt
from at2_rag.errors import InputError
from at2_rag.estimators import TokenScores
from at2_rag.prompt import Span
from at2_rag.sources import Source

if TYPE_CHECKING:
    import pandas

    from at2_rag.written import WrittenText


@dataclass(frozen=True, eq=False)
class Attribution:
    """Scores of sources for the tokens of an answer.

    The score of a source for a span of the answer is the mean over the span's tokens of the
    coefficient-weighted attention summed over the source's tokens (paper, section 3.2). Unitless.

    Attributes:
        sources: What was scored.
        scores: (sources, answer tokens), float32, on the CPU.
        passage_scores: (passages, answer tokens): whole passages with their titles, one row for
            each of the answer's passages; zero for those the model did not see.
        token_spans: Characters of the answer that each answer token stands for.
        answer_length: Characters of the answer.
        statements: Characters [start, end) of each statement of the answer.
        statement_scores: (statements, answer tokens): how much each token leans on each statement
            that ended before it; zero for others, and where no estimator scored them.
        thought_scores: (sentences of the thoughts, answer tokens): how much each token leans on
            each of them; without rows where nothing was thought before.
    """

    sources: tuple[Source, ...]
    scores: Tensor
    passage_scores: Tensor
    token_spans: tuple[Span, ...]
    answer_length: int
    statements: tuple[Span, ...]
    statement_scores: Tensor
    thought_scores: Tensor

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
            raise ImportError(
                'to_pandas needs pandas; install it with: pip install "at2-rag[pandas]"'
            ) from error
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


def attribute_sources(
    scores: TokenScores, sources: Sequence[Source], text: WrittenText, thoughts: int
) -> Attribution:
    """Put an estimator's scores of a text together with what they are scores of.

    Args:
        scores: Of the text's tokens; of what was said, the thoughts before the text come first.
        sources: What was scored.
        text: What is attributed.
        thoughts: Sentences of the thoughts before the text.
    """
    # A statement can lean on what was said before it, not on itself.
    said = scores.statements[:, thoughts:]
    before = torch.zeros_like(said)
    for statement, (_, end) in enumerate(text.targets[: said.shape[1]]):
        before[end:, statement] = 1.0
    return Attribution(
        tuple(sources),
        scores.sources.T.contiguous(),
        scores.passages.T.contiguous(),
        text.spans,
        len(text.text),
        text.statements,
        (said * before).T.contiguous(),
        scores.statements[:, :thoughts].T.contiguous(),
    )


def touching(token_spans: Sequence[Span], start: int, end: int) -> list[int]:
    """Return the tokens that stand for any of the characters [start, end)."""
    return [i for i, (a, b) in enumerate(token_spans) if a < end and b > start]


def passage_tokens(prompt: EncodedPrompt, num_documents: int) -> list[Span]:
    """Return the range of the prompt's tokens that each document has, passages title and all.

    Args:
        prompt: The prompt.
        num_documents: Number of passages and other documents; (0, 0) for those not shown.
    """
    places = {place.index: place for place in (*prompt.places, *prompt.others)}
    return [
        prompt.token_range(*places[i].block) if i in places else (0, 0)
        for i in range(num_documents)
    ]


def source_tokens(prompt: EncodedPrompt, sources: Sequence[Source]) -> list[Span]:
    """Return the range of the prompt's tokens that each source has."""
    offsets = {place.index: place.text[0] for place in (*prompt.places, *prompt.others)}
    return [
        prompt.token_range(
            offsets[source.passage_index] + source.start, offsets[source.passage_index] + source.end
        )
        for source in sources
    ]
