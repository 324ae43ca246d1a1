"""The score estimator: coefficients that turn attention weights into scores (section 3.2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from at2_rag.capture import inspect_attention
from at2_rag.errors import EstimatorMismatchError, FileFormatError, InputError
from at2_rag.probe import AttentionShape

_WEIGHTS_FILE = "score_estimator.safetensors"
_CONFIG_FILE = "score_estimator.json"
_PUBLISHED_FILE = "score_estimator.pt"


@dataclass(frozen=True, eq=False)
class ScoreEstimator:
    """A learned linear combination of attention heads.

    With ``copying`` coefficients, attention counts once more where it goes to a token that is the
    very one being generated: a head that copies a name looks at that name. This goes beyond the
    paper, costs next to nothing, and is linear all the same.

    Attributes:
        coefficients: (layers, heads), float32; how much each head counts. Unitless.
        kind: ``"linear"`` for learned coefficients, ``"copying"`` if there are copying ones as
            well, ``"uniform"`` for average attention.
        metadata: JSON-like notes on where the coefficients come from.
        copying: (layers, heads), float32; what a head counts for in addition, at tokens that
            equal the one being generated.
    """

    coefficients: Tensor
    kind: str = "linear"
    metadata: dict[str, Any] = field(default_factory=dict)
    copying: Tensor | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "coefficients", _checked("coefficients", self.coefficients))
        if self.copying is not None:
            object.__setattr__(self, "copying", _checked("copying", self.copying))
            object.__setattr__(self, "kind", "copying")
            if self.copying.shape != self.coefficients.shape:
                raise InputError(
                    f"copying has the shape {tuple(self.copying.shape)}; expected that of the "
                    f"coefficients, {tuple(self.coefficients.shape)}."
                )

    @property
    def weightings(self) -> Tensor:
        """Return (1 or 2, layers, heads): the coefficients, and the copying ones if there are."""
        both = [self.coefficients] if self.copying is None else [self.coefficients, self.copying]
        return torch.stack(both)

    def combine(self, tables: Tensor, keys: Sequence[int], answer: Sequence[int]) -> Tensor:
        """Return (answer tokens, keys): the scores.

        Args:
            tables: (1 or 2, answer tokens, keys): attention, weighted by :attr:`weightings`.
            keys: Token ids of the keys.
            answer: Token ids of the answer.
        """
        if self.copying is None:
            return tables[0]
        return tables[0] + tables[1] * same_token(keys, answer)

    @classmethod
    def uniform(cls, model: PreTrainedModel) -> ScoreEstimator:
        """Return average attention over all layers and heads, the paper's baseline.

        Raises:
            UnsupportedModelError: If the model's attention weights cannot be had exactly.
        """
        shape = inspect_attention(model)
        count = shape.layers * shape.heads
        return cls(torch.full((shape.layers, shape.heads), 1.0 / count), kind="uniform")

    @classmethod
    def load(cls, path: str | Path, shape: AttentionShape | None = None) -> ScoreEstimator:
        """Load from a folder that :meth:`save` wrote, or from a published ``.pt`` file.

        Args:
            path: The folder, or a ``score_estimator.pt``, or a folder with one in it.
            shape: Layers and heads of the model, from :func:`at2_rag.inspect_attention`.

        Raises:
            FileFormatError: If there is no estimator at ``path``, or it cannot be read.
            EstimatorMismatchError: If it does not fit ``shape``.
        """
        path = Path(path)
        if path.is_dir() and not (path / _WEIGHTS_FILE).exists():
            path = path / _PUBLISHED_FILE
        if not path.exists():
            raise FileFormatError(
                f"No score estimator at {path}; expected a folder with {_WEIGHTS_FILE} and "
                f"{_CONFIG_FILE}, or a {_PUBLISHED_FILE}."
            )
        estimator = _load_folder(path) if path.is_dir() else _load_published(path, shape)
        if shape is not None:
            estimator.check_fits(shape)
        return estimator

    @classmethod
    def from_hub(
        cls, repo_id: str, shape: AttentionShape | None = None, **download: Any
    ) -> ScoreEstimator:
        """Load from a repository of the Hugging Face Hub, or its local cache.

        Args:
            repo_id: Such as ``"madrylab/at2-phi-4-mini-instruct"``.
            shape: As for :meth:`load`.
            download: Passed to ``huggingface_hub.snapshot_download`` (``revision``,
                ``cache_dir``, ``local_files_only``, …).
        """
        patterns = [_WEIGHTS_FILE, _CONFIG_FILE, _PUBLISHED_FILE]
        folder = snapshot_download(repo_id, allow_patterns=patterns, **download)
        return cls.load(folder, shape)

    def save(self, path: str | Path) -> None:
        """Write a folder with safetensors and JSON."""
        path = Path(path)
        path.mkdir(parents=True, exist_ok=True)
        tensors = {"coefficients": self.coefficients, "copying": self.copying}
        held = {name: value.contiguous() for name, value in tensors.items() if value is not None}
        save_file(held, path / _WEIGHTS_FILE)
        config = {"kind": self.kind, "metadata": self.metadata}
        (path / _CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    def check_fits(self, shape: AttentionShape) -> None:
        """Raise ``EstimatorMismatchError`` unless made for a model of this shape."""
        if tuple(self.coefficients.shape) != (shape.layers, shape.heads):
            layers, heads = self.coefficients.shape
            raise EstimatorMismatchError(
                f"The score estimator is for {layers} layers of {heads} heads, and the model has "
                f"{shape.layers} layers of {shape.heads} heads. Use an estimator trained for this "
                "model, or estimator=None for average attention."
            )


def same_token(keys: Sequence[int], answer: Sequence[int]) -> Tensor:
    """Return (answer tokens, keys): 1.0 where a key's token is the one being generated."""
    return (torch.tensor(keys)[None] == torch.tensor(answer)[:, None]).float()


def _checked(name: str, values: Tensor) -> Tensor:
    if values.dim() != 2 or not values.is_floating_point():
        raise InputError(
            f"{name} are {values.dtype} of shape {tuple(values.shape)}; expected floats of shape "
            "(layers, heads)."
        )
    if not bool(torch.isfinite(values).all()):
        raise InputError(f"{name} hold NaN or infinity; expected finite numbers.")
    return values.detach().float().cpu()


def _load_folder(path: Path) -> ScoreEstimator:
    try:
        tensors = load_file(path / _WEIGHTS_FILE)
        config = json.loads((path / _CONFIG_FILE).read_text(encoding="utf-8"))
        return ScoreEstimator(
            tensors["coefficients"], config["kind"], config["metadata"], tensors.get("copying")
        )
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"The score estimator in {path} cannot be read: {error}") from error


def _load_published(path: Path, shape: AttentionShape | None) -> ScoreEstimator:
    try:
        # weights_only never runs code from the file, whatever it holds.
        content = torch.load(path, map_location="cpu", weights_only=True)
        row = content["state_dict"]["linear.weight"].flatten()
        extractor = content.get("feature_extractor", {}).get("kwargs", {})
    except Exception as error:  # torch.load raises whatever the file makes it raise
        raise FileFormatError(
            f"{path} is no published score estimator: expected a dict with "
            f"state_dict['linear.weight'], read without running code. {error}"
        ) from error
    if {"num_layers", "num_heads"} <= extractor.keys():
        shape = AttentionShape(extractor["num_layers"], extractor["num_heads"])
    if shape is None:
        raise InputError(
            f"{path} holds {row.numel()} coefficients in a row and not how many layers they are "
            "for; expected to be told: pass shape=inspect_attention(model)."
        )
    if row.numel() != shape.layers * shape.heads:
        raise EstimatorMismatchError(
            f"The score estimator {path} has {row.numel()} coefficients; expected "
            f"{shape.layers} layers × {shape.heads} heads = {shape.layers * shape.heads}. "
            "Use an estimator trained for this model."
        )
    # Layer-major, as the published implementation flattens its features.
    coefficients = row.float().view(shape.layers, shape.heads)
    return ScoreEstimator(coefficients, metadata={"source": path.name})
