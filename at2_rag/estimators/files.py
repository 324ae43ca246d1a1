"""Score estimators as files: folders of our own, and the files published with the paper."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from at2_rag.attention.probe import AttentionShape
from at2_rag.errors import EstimatorMismatchError, FileFormatError, InputError
from at2_rag.estimators.calibration import Calibration

_WEIGHTS_FILE = "score_estimator.safetensors"
CONFIG_FILE = "score_estimator.json"
_PUBLISHED_FILE = "score_estimator.pt"

#: Files that make up an estimator: ours, and those published with the paper.
LAYOUTS = (
    (_WEIGHTS_FILE, CONFIG_FILE),
    (_PUBLISHED_FILE,),
)
#: What an estimator's folder or repository may hold.
FILES = tuple(chain(*LAYOUTS))


@dataclass(frozen=True, eq=False)
class EstimatorRecord:
    """Everything about a score estimator that its files hold.

    Attributes:
        kind: What the tensors are and how scores are made of them, such as ``"linear"``.
        tensors: Everything learned, by name.
        metadata: JSON-like notes on where the estimator comes from.
        calibrations: The scores from which on a citation is real, by the unit of sources.
    """

    kind: str
    tensors: dict[str, Tensor]
    metadata: dict[str, Any] = field(default_factory=dict)
    calibrations: tuple[Calibration, ...] = ()


def write_record(record: EstimatorRecord, path: Path) -> None:
    """Write an estimator's folder.

    Args:
        record: Everything about the estimator that its files are to hold.
        path: The folder to write. Where it is not there yet, it is there whole or not at all.
    """
    if path.exists():
        _write_files(record, path)
        return
    part = path.with_name(f"{path.name}.part")
    _write_files(record, part)
    part.rename(path)


def _write_files(record: EstimatorRecord, path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.contiguous() for name, value in record.tensors.items()}
    save_file(tensors, path / _WEIGHTS_FILE)
    config = {
        "kind": record.kind,
        "calibrations": [calibration.to_dict() for calibration in record.calibrations],
        "metadata": record.metadata,
    }
    (path / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def read_record(path: Path, shape: AttentionShape | None) -> EstimatorRecord:
    """Read an estimator's folder, or a published file.

    Args:
        path: A folder that :func:`write_record` wrote, or a ``score_estimator.pt``, or a folder
            with one in it.
        shape: Layers and heads of the model; needed for published files that do not say them.

    Raises:
        FileFormatError: If there is no estimator at ``path``, or it cannot be read.
        InputError: If the shape is needed and not given.
        EstimatorMismatchError: If a published file has too many coefficients or too few.
    """
    if path.is_dir() and not (path / _WEIGHTS_FILE).exists():
        path = path / _PUBLISHED_FILE
    if not path.exists():
        raise FileFormatError(
            f"No score estimator at {path}; expected a folder with {_WEIGHTS_FILE} and "
            f"{CONFIG_FILE}, or a {_PUBLISHED_FILE}."
        )
    return _read_folder(path) if path.is_dir() else _read_published(path, shape)


def _read_folder(path: Path) -> EstimatorRecord:
    try:
        tensors = load_file(path / _WEIGHTS_FILE)
        config = json.loads((path / CONFIG_FILE).read_text(encoding="utf-8"))
        calibrations = tuple(Calibration.from_dict(item) for item in config["calibrations"])
        return EstimatorRecord(config["kind"], tensors, config["metadata"], calibrations)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"The score estimator in {path} cannot be read: {error}") from error


def _read_published(path: Path, shape: AttentionShape | None) -> EstimatorRecord:
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
    return EstimatorRecord("linear", {"coefficients": coefficients}, {"source": path.name})
