"""Score estimators as files: folders of our own, and the files published with the paper."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from at2_rag.attention.probe import AttentionShape
from at2_rag.errors import EstimatorMismatchError, FileFormatError, InputError
from at2_rag.estimators.base import ScoreEstimator
from at2_rag.estimators.calibration import Calibration
from at2_rag.estimators.linear import LinearEstimator
from at2_rag.estimators.network import NetworkEstimator, SourceNetwork

_WEIGHTS_FILE = "score_estimator.safetensors"
_CONFIG_FILE = "score_estimator.json"
_PUBLISHED_FILE = "score_estimator.pt"

#: What an estimator's folder or repository may hold.
FILES = (_WEIGHTS_FILE, _CONFIG_FILE, _PUBLISHED_FILE)


def save_folder(estimator: ScoreEstimator, path: Path) -> None:
    """Write an estimator's folder."""
    path.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.contiguous() for name, value in estimator.tensors().items()}
    save_file(tensors, path / _WEIGHTS_FILE)
    config = {
        "kind": estimator.kind,
        "calibrations": [calibration.to_dict() for calibration in estimator.calibrations],
        "metadata": estimator.metadata,
    }
    (path / _CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def save_whole(estimator: ScoreEstimator, path: Path) -> None:
    """Write an estimator's folder, which is then there whole or not at all.

    Args:
        estimator: The estimator.
        path: A folder that is not there yet.
    """
    part = path.with_name(f"{path.name}.part")
    save_folder(estimator, part)
    part.rename(path)


def load_path(path: Path, shape: AttentionShape | None) -> ScoreEstimator:
    """Load an estimator, as :meth:`ScoreEstimator.load` does."""
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


def _load_folder(path: Path) -> ScoreEstimator:
    try:
        tensors = load_file(path / _WEIGHTS_FILE)
        config = json.loads((path / _CONFIG_FILE).read_text(encoding="utf-8"))
        calibrations = tuple(Calibration.from_dict(item) for item in config["calibrations"])
        return _assembled(config["kind"], tensors, config["metadata"], calibrations)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise FileFormatError(f"The score estimator in {path} cannot be read: {error}") from error


def _assembled(
    kind: str,
    tensors: dict[str, Tensor],
    metadata: dict[str, Any],
    calibrations: tuple[Calibration, ...],
) -> ScoreEstimator:
    if kind == "network":
        return NetworkEstimator(_network(tensors), metadata=metadata, calibrations=calibrations)
    if kind not in ("uniform", "linear", "copying"):
        raise ValueError(f"its kind is {kind!r}, which this version does not know")
    return LinearEstimator(
        tensors["coefficients"],
        tensors.get("copying"),
        kind == "uniform",
        metadata=metadata,
        calibrations=calibrations,
    )


def _network(tensors: dict[str, Tensor]) -> SourceNetwork:
    """Return a network of the size that its weights are of."""
    mixtures, layers, heads = tensors["mixing"].shape
    rounds = sum(name.endswith("own.weight") for name in tensors)
    width = tensors["inputs.weight"].shape[0]
    network = SourceNetwork(AttentionShape(layers, heads), mixtures, width, rounds)
    network.load_state_dict(tensors)
    return network


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
    return LinearEstimator(coefficients, metadata={"source": path.name})
