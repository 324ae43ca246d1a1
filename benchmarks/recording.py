"""What recording adds to generating an answer, per token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from transformers import PreTrainedModel

from at2_rag.model.recorded_model import RecordedModel
from benchmarks.bench import Bench
from benchmarks.budget import STEP_SECONDS_PER_BYTE
from benchmarks.clock import Run, middle, paired, take_turns
from benchmarks.methods import Size
from benchmarks.records import Measurement
from benchmarks.shapes import Shape, random_estimator, random_ids
from benchmarks.timing import account_of, recording_name


def measure_recording(bench: Bench) -> Iterator[Measurement]:
    """Yield one measurement for each size and model."""
    for shape in bench.profile.models:
        for size in bench.profile.recording:
            yield _at(bench, shape, size)


def _at(bench: Bench, shape: Shape, size: Size) -> Measurement:
    if reason := bench.too_large(shape):
        return Measurement("recording", shape.label, _point(size), skipped=reason)
    steps = size.answer * shape.weight_bytes * STEP_SECONDS_PER_BYTE
    seconds = 2.2 * (bench.pass_seconds(shape, size.context) + steps)
    if reason := bench.budget.refusal(seconds):
        return Measurement("recording", shape.label, _point(size), skipped=reason)
    model = bench.model(shape)
    take_turns(_runs(model, shape, Size(32, 4)), 1)  # warm up
    rounds = take_turns(
        _runs(model, shape, size), bench.budget.rounds(seconds, bench.profile.rounds)
    )
    plain, tokens = middle(rounds, "plain"), size.answer
    # Outside the passes, the plain generation has work of its own, which is no recording.
    pairs = zip(rounds["library"], rounds["plain"], strict=True)
    own = sorted(mine["scoring"] - other["around"] for mine, other in pairs)
    recording, added = own[len(own) // 2], paired(rounds, "library", "plain")
    values = {
        "generating s": plain,
        "rounds": float(len(rounds["plain"])),
        "recording ms a token": 1000 * recording / tokens,
        "paired ms a token": 1000 * added / tokens,
        "recording ÷ generating": recording / plain,
        "paired ÷ generating": added / plain,
    }
    return Measurement("recording", shape.label, _point(size), values)


def _point(size: Size) -> dict[str, Any]:
    return {"context": size.context, "answer": size.answer}


def _runs(model: PreTrainedModel, shape: Shape, size: Size) -> dict[str, Run]:
    """Return both ways to generate exactly ``size.answer`` tokens, greedily."""
    prompt = random_ids(shape, size.context)
    estimator = random_estimator(shape.layers, shape.heads)
    recorded = RecordedModel(model)
    length = {"min_new_tokens": size.answer, "max_new_tokens": size.answer}

    @torch.inference_mode()
    def plain() -> None:
        ids = prompt.to(model.get_input_embeddings().weight.device)
        mask = torch.ones_like(ids)
        model.generate(input_ids=ids, attention_mask=mask, do_sample=False, **length)

    def library() -> None:
        recorded.generate([prompt[0].tolist()], estimator.weightings, length)

    return {
        "plain": _accounted(model, "sdpa", plain),
        "library": _accounted(model, recording_name(model), library),
    }


def _accounted(model: PreTrainedModel, attention: str, work: Callable[[], None]) -> Run:
    def run() -> dict[str, float]:
        model.set_attn_implementation(attention)
        return account_of(model, work)

    return run
