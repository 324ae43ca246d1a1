"""What an interrupted training goes on from: weights, optimizer and randomness."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from at2_rag.errors import FileFormatError, InputError
from at2_rag.runs.manifest import differences
from transformers import PreTrainedModel

_NAME = "checkpoint.pt"


@dataclass
class TrainingState:
    """All that the next step depends on.

    Attributes:
        model: The model with its weights.
        optimizer: The optimizer of these weights.
        rng: Randomness that worlds are drawn from.
        step: How many steps are done.
    """

    model: PreTrainedModel
    optimizer: torch.optim.Optimizer
    rng: Random
    step: int = 0


def save_checkpoint(state: TrainingState, folder: Path, told: Mapping[str, Any]) -> None:
    """Write a checkpoint in place of the one before; interrupted, that one stays.

    Args:
        state: What to keep.
        folder: Folder of the training; made if it is not there.
        told: What the training was told, in plain JSON types; it goes on only with the same.

    Raises:
        FileFormatError: If it cannot be written.
    """
    version, words, gauss = state.rng.getstate()
    found = {
        "told": dict(told),
        "step": state.step,
        "model": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "worlds": [version, list(words), gauss],
        "torch": torch.get_rng_state(),
    }
    part = folder / f"{_NAME}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            torch.save(found, file)
        os.replace(part, folder / _NAME)
    except OSError as error:
        raise FileFormatError(
            f"{folder}: no checkpoint can be written: {error.strerror or error}."
        ) from error


def load_checkpoint(state: TrainingState, folder: Path, told: Mapping[str, Any]) -> None:
    """Bring a state to where the folder's checkpoint was written, if there is one.

    Args:
        state: State to bring there; changed in place, and torch's own randomness with it.
        folder: Folder of the training.
        told: What the training is told, in plain JSON types.

    Raises:
        InputError: If the checkpoint belongs to a training that was told something else.
        FileFormatError: If it cannot be read.
    """
    path = folder / _NAME
    if not path.exists():
        return
    found = _read(path)
    if differing := differences(found["told"], told):
        raise InputError(
            f"{folder} holds another training: {'; '.join(differing)}. Choose another folder, or "
            "give what it was begun with."
        )
    state.model.load_state_dict(found["model"])
    state.optimizer.load_state_dict(found["optimizer"])
    version, words, gauss = found["worlds"]
    state.rng.setstate((version, tuple(words), gauss))
    torch.set_rng_state(found["torch"])
    state.step = found["step"]


def _read(path: Path) -> dict[str, Any]:
    try:
        # Of tensors and plain types alone: nothing in the file is run.
        found: dict[str, Any] = torch.load(path, weights_only=True)
        return found
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise FileFormatError(
            f"{path} cannot be read as a checkpoint: {error}. Remove it to begin anew."
        ) from error
