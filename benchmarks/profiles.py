"""What a run measures: quick, in less than 20 minutes, or everything."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.methods import Size
from benchmarks.shapes import LLAMA31_8B, QWEN25_05B, QWEN25_15B, SMOLLM2_135M, Heads, Shape


@dataclass(frozen=True)
class Profile:
    """What to measure.

    Attributes:
        name: What the profile is called on the command line.
        models: The models to measure, in this order.
        scoring: Sizes at which scoring is measured, by urgency: all models' first ones come before
            anyone's second ones.
        memory: Sizes of whole passes whose peak memory is measured.
        heads_alone: Heads whose scoring alone is measured, time and memory of it.
        size_alone: Size at which scoring alone is measured.
        recording: Sizes at which generating is measured.
        collection: How many passages the collected example has, and how many ablations.
        growth: Sizes to go through, by the name of the one that is varied; the others stay at
            ``growth_base``.
        growth_base: Sizes that stay while another one is varied, by name.
        passages: How many passages the question has that is pruned.
        questions: How many questions are asked at once.
        rounds: How often each thing is measured at most, where time allows.
        total_seconds: How long the whole run may take, in seconds.
        point_seconds: How long one measurement may take, in seconds.
    """

    name: str
    models: tuple[Shape, ...]
    scoring: tuple[tuple[Size, ...], ...]
    memory: tuple[Size, ...]
    heads_alone: tuple[Heads, ...]
    size_alone: Size
    recording: tuple[Size, ...]
    collection: tuple[int, int]
    growth: dict[str, tuple[int, ...]]
    growth_base: dict[str, int]
    passages: int
    questions: int
    rounds: int
    total_seconds: float
    point_seconds: float


_AIMS = (Size(1024, 64), Size(4096, 64), Size(4096, 256))


def _grid(*contexts: int) -> tuple[Size, ...]:
    return tuple(Size(context, answer) for context in contexts for answer in (32, 128, 512))


_GROWTH_BASE = {"context": 4096, "answer": 64, "sources": 128, "layers": 30, "batch": 1}
_GROWTH: dict[str, tuple[int, ...]] = {
    "context": (1024, 2048, 4096, 8192, 16384, 32768),
    "answer": (32, 64, 128, 256, 512),
    "sources": (32, 128, 512, 2048),
    "layers": (8, 15, 30, 60),
    "batch": (1, 2, 4, 8),
}

DEFAULT = Profile(
    name="default",
    models=(SMOLLM2_135M, QWEN25_05B),
    scoring=(_AIMS, _grid(1024), (Size(1024, 32, 4), *_grid(4096)), _grid(16384), _grid(32768)),
    memory=(Size(1024, 128), Size(4096, 64)),
    heads_alone=(Heads(32, 32, 8, 64), Heads(32, 32, 8, 128), Heads(32, 32, 8, 128, "bfloat16")),
    size_alone=Size(32768, 512),
    recording=(Size(1024, 64), Size(4096, 64)),
    collection=(24, 8),
    growth=_GROWTH,
    growth_base=_GROWTH_BASE,
    passages=24,
    questions=8,
    rounds=3,
    total_seconds=1100.0,
    point_seconds=240.0,
)

QUICK = replace(
    DEFAULT,
    name="quick",
    models=(SMOLLM2_135M,),
    scoring=((Size(4096, 64),), (Size(1024, 32), Size(1024, 128))),
    memory=(Size(1024, 128),),
    heads_alone=(Heads(4, 32, 8, 128),),
    recording=(Size(1024, 16),),
    collection=(12, 4),
    growth={name: sizes[:3] for name, sizes in _GROWTH.items()},
    growth_base={**_GROWTH_BASE, "context": 2048, "layers": 8},
    passages=12,
    questions=4,
    total_seconds=280.0,
    point_seconds=80.0,
)

FULL = replace(
    DEFAULT,
    name="full",
    models=(SMOLLM2_135M, QWEN25_05B, QWEN25_15B),
    rounds=5,
    total_seconds=float("inf"),
    point_seconds=3600.0,
)

PROFILES = {profile.name: profile for profile in (DEFAULT, QUICK, FULL)}


def of(name: str, models: tuple[Shape, ...] | None, device: str) -> Profile:
    """Return a profile for some models and a kind of device.

    Args:
        name: Name of the profile, as on the command line.
        models: Models to measure instead of the profile's own; ``None`` for these, which an 8B
            model joins on a GPU.
        device: Kind of device, ``"cpu"`` or ``"cuda"``; on the latter, all models are in bfloat16.
    """
    profile = PROFILES[name]
    if device != "cuda":
        return replace(profile, models=models or profile.models)
    chosen = models or (*profile.models, LLAMA31_8B)
    return replace(profile, models=tuple(replace(m, dtype="bfloat16") for m in chosen))
