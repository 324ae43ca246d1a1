"""What every score estimator offers: scores of sources from attention (section 3.2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from huggingface_hub import snapshot_download
from torch import Tensor
from transformers import PreTrainedModel

from at2_rag.attention.folds import sum_ranges
from at2_rag.attention.probe import AttentionShape
from at2_rag.attention.recording import inspect_attention
from at2_rag.errors import EstimatorMismatchError
from at2_rag.estimators.calibration import Calibration
from at2_rag.spans import Span

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo


@dataclass(frozen=True, eq=False)
class TokenAttention:
    """What a pass leaves behind: attention from each answer token to each token before it.

    Attributes:
        tables: (weightings, answer tokens, keys): attention, weighted over layers and heads by
            an estimator's ``weightings``.
        keys: Token ids of the keys.
        answer: Token ids of the answer.
    """

    tables: Tensor
    keys: tuple[int, ...]
    answer: tuple[int, ...]

    @property
    def same_token(self) -> Tensor:
        """Return (answer tokens, keys): 1.0 where a key's token is the one being generated."""
        return same_token(self.keys, self.answer)

    def over(self, ranges: Sequence[Span]) -> Tensor:
        """Return (weightings, answer tokens, ranges): attention to ranges of keys."""
        inside = [(min(start, len(self.keys)), min(end, len(self.keys))) for start, end in ranges]
        return sum_ranges(self.tables, inside)

    def to_same_tokens(self) -> TokenAttention:
        """Return the attention to those tokens alone that equal the one being generated."""
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
        sources: (answer tokens, sources).
        passages: (answer tokens, passages).
        statements: (answer tokens, statements): how much a token leans on each statement of the
            answer, itself included.
    """

    sources: Tensor
    passages: Tensor
    statements: Tensor


def same_token(keys: Sequence[int], answer: Sequence[int]) -> Tensor:
    """Return (answer tokens, keys): 1.0 where a key's token is the one being generated."""
    return (torch.tensor(keys)[None] == torch.tensor(answer)[:, None]).float()


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoreEstimator(ABC):
    """Turns attention weights into scores.

    Made by :meth:`load`, :meth:`from_hub`, :meth:`uniform` or :func:`at2_rag.training.fit`.

    Attributes:
        metadata: JSON-like notes on where it comes from.
        calibrations: From which score on a citation is real, by the unit of sources; empty if
            nobody has measured it, as with average attention.
    """

    metadata: dict[str, Any] = field(default_factory=dict)
    calibrations: tuple[Calibration, ...] = ()

    @property
    @abstractmethod
    def kind(self) -> str:
        """``"uniform"``, ``"linear"``, ``"copying"`` or ``"network"``."""

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
            copied: The same to those tokens of a region that equal the one being generated; of no
                weighting where the estimator does not compare tokens.
            owners: (sources,): index of the passage that each source is a piece of.
        """

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Return everything learned, by name, for :meth:`save`."""

    def scores(self, attention: TokenAttention, regions: Regions) -> TokenScores:
        """Score sources, passages and earlier statements for every token of an answer.

        Args:
            attention: Folded with this estimator's :attr:`weightings`.
            regions: Where everything lies.
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
            rated: (answer tokens, passages): as regions by themselves, titles and all.
            sources: (answer tokens, sources).
            owners: (sources,): index of the passage that each source is a piece of.
        """
        return rated

    def calibration(self, unit: str) -> Calibration | None:
        """Return the thresholds for a unit of sources, if somebody has measured them."""
        return next((found for found in self.calibrations if found.unit == unit), None)

    def calibrated(self, calibration: Calibration) -> Self:
        """Return the same with one more calibration, in the place of an older one for its unit."""
        others = [found for found in self.calibrations if found.unit != calibration.unit]
        return replace(self, calibrations=(*others, calibration))

    def check_fits(self, shape: AttentionShape) -> None:
        """Raise ``EstimatorMismatchError`` unless made for a model of this shape."""
        own = self.shape
        if own != shape:
            raise EstimatorMismatchError(
                f"The score estimator is for {own.layers} layers of {own.heads} heads, and the "
                f"model has "
                f"{shape.layers} layers of {shape.heads} heads. Use an estimator trained for this "
                "model, or estimator=None for average attention."
            )

    def save(self, path: str | Path) -> None:
        """Write a folder with safetensors and JSON."""
        from at2_rag.estimators.files import save_folder

        save_folder(self, Path(path))

    def push_to_hub(self, repo_id: str, **options: Any) -> CommitInfo:
        """Publish on the Hugging Face Hub, with a model card.

        Args:
            repo_id: Such as ``"someone/at2-qwen2.5-1.5b-instruct"``; without an owner, yours.
            options: Of :func:`at2_rag.estimators.publish.push_to_hub` (``base_model``, ``license``,
                ``private``, ``token``, ``commit_message``, …).

        Raises:
            HfHubHTTPError: If the hub refuses, from ``huggingface_hub``.
        """
        from at2_rag.estimators.publish import push_to_hub

        return push_to_hub(self, repo_id, **options)

    @staticmethod
    def uniform(model: PreTrainedModel) -> ScoreEstimator:
        """Return average attention over all layers and heads, the paper's baseline.

        Raises:
            UnsupportedModelError: If the model's attention weights cannot be had exactly.
        """
        from at2_rag.estimators.linear import LinearEstimator

        return LinearEstimator.uniform_of(inspect_attention(model))

    @staticmethod
    def load(path: str | Path, shape: AttentionShape | None = None) -> ScoreEstimator:
        """Load from a folder that :meth:`save` wrote, or from a published ``.pt`` file.

        Args:
            path: The folder, or a ``score_estimator.pt``, or a folder with one in it.
            shape: Layers and heads of the model, from :func:`at2_rag.inspect_attention`.

        Raises:
            FileFormatError: If there is no estimator at ``path``, or it cannot be read.
            EstimatorMismatchError: If it does not fit ``shape``.
        """
        from at2_rag.estimators.files import load_path

        return load_path(Path(path), shape)

    @staticmethod
    def from_hub(
        repo_id: str, shape: AttentionShape | None = None, **download: Any
    ) -> ScoreEstimator:
        """Load from a repository of the Hugging Face Hub, or its local cache.

        Args:
            repo_id: Such as ``"madrylab/at2-phi-4-mini-instruct"``.
            shape: As for :meth:`load`.
            download: Passed to ``huggingface_hub.snapshot_download`` (``revision``,
                ``cache_dir``, ``local_files_only``, …).
        """
        from at2_rag.estimators.files import FILES

        folder = snapshot_download(repo_id, allow_patterns=list(FILES), **download)
        return ScoreEstimator.load(folder, shape)
