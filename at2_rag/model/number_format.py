"""The number format in which a model reads fastest where it is, without losing anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import psutil
import torch
from torch import Tensor
from transformers import PreTrainedModel

from at2_rag.model_facts import input_device
from at2_rag.notices import warn_of_narrow_type, warn_of_wide_type

#: How many times as long as in float32 a product takes where a format is slow. Processors that
#: emulate bfloat16 take up to twice as long, those that compute it number by number three to ten
#: times, so that noise hardly takes one for the other.
SLOW = 2.5
#: Models of fewer weights are fast in any type.
LARGE = 50_000_000
_SHORT = (torch.bfloat16, torch.float16)
#: Rows of a product to be timed, and its width: a millisecond in float32.
_ROWS, _WIDTH = 64, 512
TRIES = 5
#: Which part of the memory that is free the longer numbers may take; texts need some, too.
_SHARE = 0.5
#: Where Linux tells a container's limit, what it uses of it, and, by which name in a third file,
#: how much of that are copies of files, which give way; version 2 and version 1.
_CGROUPS = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat",
     "total_inactive_file"),
)  # fmt: skip
_LIMITS = Path("/sys/fs/cgroup")


def in_fast_format(model: PreTrainedModel, stacklevel: int) -> PreTrainedModel:
    """Return a model in float32, if its device is slow with what its checkpoint is in.

    Each number of 16 bits is one of 32, so nothing is lost. Where memory is too short, and where
    the shorter numbers would be faster, which loses something, a warning tells it instead.

    Args:
        model: The model on its device, in the type of its checkpoint; it is changed in place.
        stacklevel: Which caller a warning points to, as for ``warnings.warn``: 1 is where this is
            called.
    """
    if model.dtype == torch.float32 and _matters(model):
        warn_of_wide_type(model, stacklevel + 1)
    if not _in_slow_format(model):
        return model
    if _bytes_more(model) > _SHARE * free_memory():
        warn_of_narrow_type(model, stacklevel + 1)
        return model
    model.config.dtype = torch.float32
    wide: PreTrainedModel = model.float()
    return wide


def tell_of_slow_format(model: PreTrainedModel, stacklevel: int) -> None:
    """Warn of a type that a model's device is slow with, where others have loaded it.

    Args:
        model: The model, which is left as it is.
        stacklevel: As for :func:`in_fast_format`.
    """
    if _in_slow_format(model):
        warn_of_narrow_type(model, stacklevel + 1)


@cache
def is_slow(dtype: torch.dtype, clock: Callable[[], float] = time.perf_counter) -> bool:
    """Return whether the processor takes several times as long with a type as with float32.

    By the clock, in some hundredths of a second: what a processor has instructions for, and which
    of them torch uses, differs by platform and version, and nothing public tells it for all.

    Args:
        dtype: The type of the numbers that are multiplied.
        clock: Returns the time, in any unit.
    """
    operands = {kind: _operands(kind) for kind in (dtype, torch.float32)}
    # In turn, so that other work on the processor slows both.
    tries = [{kind: _time(clock, *pair) for kind, pair in operands.items()} for _ in range(TRIES)]
    fastest = {kind: min(each[kind] for each in tries) for kind in operands}
    return fastest[dtype] > SLOW * fastest[torch.float32]


def free_memory(limits: Path = _LIMITS) -> int:
    """Return how many bytes can still be had, of the machine's and of a container's limit.

    Args:
        limits: Folder in which Linux tells limits and what is used of them, by the names of
            control groups of version 2 or 1; where there is nothing, there is no limit.
    """
    free: int = psutil.virtual_memory().available
    return min([free, *(left for names in _CGROUPS if (left := _left(limits, *names)) is not None)])


def _left(limits: Path, limit: str, usage: str, stat: str, files: str) -> int | None:
    """Return how many bytes a container has left; ``None`` without a limit."""
    try:
        most, used = ((limits / name).read_text().strip() for name in (limit, usage))
        numbers = dict(line.split() for line in (limits / stat).read_text().splitlines())
    except (OSError, ValueError):
        return None
    return int(most) - int(used) + int(numbers.get(files, 0)) if most.isdecimal() else None


def _operands(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    return torch.ones(_ROWS, _WIDTH, dtype=dtype), torch.ones(_WIDTH, _WIDTH, dtype=dtype)


@torch.inference_mode()
def _time(clock: Callable[[], float], rows: Tensor, weights: Tensor) -> float:
    begun = clock()
    torch.nn.functional.linear(rows, weights)
    return clock() - begun


def _matters(model: PreTrainedModel) -> bool:
    return input_device(model).type == "cpu" and model.num_parameters() >= LARGE


def _in_slow_format(model: PreTrainedModel) -> bool:
    """Whether all weights are plain 16-bit numbers on a processor that is slow with them."""
    if not _matters(model) or getattr(model, "is_quantized", False):
        return False
    plain = {("cpu", kind) for kind in (*_SHORT, torch.float32)}
    kinds = {(weight.device.type, weight.dtype) for weight in model.parameters()}
    return kinds <= plain and model.dtype in _SHORT and is_slow(model.dtype)


def _bytes_more(model: PreTrainedModel) -> int:
    wide = torch.float32.itemsize
    return sum((wide - weight.element_size()) * weight.numel() for weight in model.parameters())
