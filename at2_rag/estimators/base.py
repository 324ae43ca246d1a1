"""What every score estimator offers: scores of sources from attention (section 3.2)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from at2_rag.attention.folds import sum_ranges
from at2_rag.attention.pieces import Pieces
from at2_rag.attention.probe import AttentionShape
from at2_rag.attention.recording import inspect_attention
from at2_rag.attention.same_tokens import same_token
from at2_rag.estimators.files import EstimatorRecord
from at2_rag.estimators.kept import Kept
from at2_rag.prompt.template import PromptTemplate
from at2_rag.spans import Span


@dataclass(frozen=True, eq=False)
class TokenAttention:
    """What a pass leaves behind: attention from each answer token to each token before it.

    Attributes:
        tables: (weightings, answer tokens, keys): attention, weighted over layers and heads by
            an estimator's ``weightings``.
        keys: Token ids of the keys.
        answer: Token ids of the answer.
        pieces: What of the beginning was summed up already, and stands at the first key of each;
            ``None`` where every key stands by itself.
    """

    tables: Tensor
    keys: tuple[int, ...]
    answer: tuple[int, ...]
    pieces: Pieces | None = None

    @property
    def same_token(self) -> Tensor:
        """Return (answer tokens, keys): 1.0 where a key's token is the one being generated."""
        return same_token(self.keys, self.answer)

    def over(self, ranges: Sequence[Span]) -> Tensor:
        """Return (weightings, answer tokens, ranges): attention to ranges of keys.

        Raises:
            ValueError: If a range begins or ends within a piece that was summed up.
        """
        if self.pieces is not None and not self.pieces.hold(ranges):
            raise ValueError(f"ranges {list(ranges)} are not made of whole {self.pieces}.")
        inside = [(min(start, len(self.keys)), min(end, len(self.keys))) for start, end in ranges]
        return sum_ranges(self.tables, inside)

    def to_same_tokens(self) -> TokenAttention:
        """Return the attention to those tokens alone that equal the one being generated.

        Raises:
            ValueError: If single tokens were not kept.
        """
        if self.pieces is not None:
            raise ValueError("Tokens were summed up; expected attention to each by itself.")
        return replace(self, tables=self.tables * self.same_token)


@dataclass(frozen=True)
class Regions:
    """Where in the text, in tokens, everything lies that is scored.

    Attributes:
        sources: Token range of each source.
        owners: Index of the passage that each source is a piece of.
        passages: Token range of each whole passage; (0, 0) for those not shown.
        statements: Token range of each statement of the answer.
    """

    sources: tuple[Span, ...]
    owners: tuple[int, ...]
    passages: tuple[Span, ...]
    statements: tuple[Span, ...]


@dataclass(frozen=True, eq=False)
class TokenScores:
    """Scores for each token of an answer.

    Attributes:
        sources: (answer tokens, sources): how much a token leans on each source.
        passages: (answer tokens, passages): how much a token leans on each whole passage.
        statements: (answer tokens, statements): how much a token leans on each statement of the
            answer, itself included.
    """

    sources: Tensor
    passages: Tensor
    statements: Tensor


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ScoreEstimator(Kept):
    """Turns attention weights into scores.

    Made by :meth:`load`, :meth:`from_hub`, :meth:`uniform` or :func:`at2_rag.training.fit`.
    """

    @property
    @abstractmethod
    def weightings(self) -> Tensor:
        """Return (weightings, layers, heads): what attention is weighted by as it passes by."""

    @property
    def compares_tokens(self) -> bool:
        """Whether attention to tokens that equal the one being generated counts apart."""
        return True

    @property
    def shape(self) -> AttentionShape:
        """Layers and heads of the models that it is for."""
        _, layers, heads = self.weightings.shape
        return AttentionShape(layers, heads)

    @property
    def head_weights(self) -> Tensor:
        """Return (layers, heads): what each head counts for, on average over the weightings."""
        return self.weightings.mean(dim=0)

    @abstractmethod
    def rate(self, plain: Tensor, copied: Tensor, owners: Tensor) -> Tensor:
        """Return (answer tokens, regions): scores.

        Args:
            plain: (weightings, answer tokens, regions): weighted attention to each region; the
                sources come first, and only they are what a source is compared with.
            copied: (weightings, answer tokens, regions): weighted attention to those tokens of a
                region that equal the one being generated; (0, answer tokens, regions) where the
                estimator does not compare tokens.
            owners: (sources,): index of the passage that each source is a piece of.
        """

    def scores(self, attention: TokenAttention, regions: Regions) -> TokenScores:
        """Score sources, passages and earlier statements for every token of an answer.

        Args:
            attention: What a pass left behind, folded with this estimator's :attr:`weightings`.
            regions: Where sources, passages and statements lie in the text.
        """
        counts = len(regions.sources), len(regions.passages), len(regions.statements)
        ranges = (*regions.sources, *regions.passages, *regions.statements)
        owners = torch.tensor(regions.owners, dtype=torch.long)
        plain = attention.over(ranges)
        copied = attention.to_same_tokens().over(ranges) if self.compares_tokens else plain[:0]
        rated = self.rate(plain, copied, owners)
        sources, passages, statements = torch.split(rated, list(counts), dim=1)
        return TokenScores(sources, self.passages(passages, sources, owners), statements)

    def passages(self, rated: Tensor, sources: Tensor, owners: Tensor) -> Tensor:
        """Return (answer tokens, passages): scores of whole passages.

        Args:
            rated: (answer tokens, passages): scores of whole passages, titles and all, as regions
                like any other.
            sources: (answer tokens, sources): how much a token leans on each source.
            owners: (sources,): index of the passage that each source is a piece of.
        """
        return rated

    @classmethod
    def uniform(cls, model: PreTrainedModel) -> Self:
        """Return average attention over all layers and heads, the paper's baseline.

        Raises:
            UnsupportedModelError: If the model's attention weights cannot be had exactly.
        """
        return cls.uniform_of(inspect_attention(model))

    @classmethod
    def uniform_of(cls, shape: AttentionShape) -> Self:
        """Return average attention for models of a shape."""
        share = 1.0 / (shape.layers * shape.heads)
        average = torch.full((shape.layers, shape.heads), share)
        return cls.from_record(EstimatorRecord("uniform", {"coefficients": average}))

    @classmethod
    def probe(
        cls,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        prompt: PromptTemplate | None = None,
        anew: bool = False,
    ) -> Self:
        """Find the heads of a model that look at what it says; nothing is trained or downloaded.

        The model reads answers to questions about made-up worlds, in which it is known what each
        statement goes back to. A model is probed once for a prompt, in some 20 passes; what is
        found is kept in the user's cache.

        Args:
            model: A decoder whose attention can be recorded.
            tokenizer: The model's tokenizer.
            prompt: The template that a reader will ask with; ``None`` for the model's own, or the
                default.
            anew: Whether to probe even if the model was probed before.

        Raises:
            UnsupportedModelError: If the model's attention weights cannot be had exactly.
        """
        from at2_rag.estimators.probing.kept import probed_record  # loads prompts and worlds

        return cls.from_record(probed_record(model, tokenizer, prompt=prompt, anew=anew))
