"""Whole answers: pruned and answered again, and many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from at2_rag import Reader
from benchmarks.bench import Bench
from benchmarks.budget import STEP_SECONDS_PER_BYTE
from benchmarks.clock import middle, take_turns, timed
from benchmarks.records import Measurement
from benchmarks.shapes import Shape
from benchmarks.worlds import (
    DEMO,
    demo_reader,
    questions,
    random_reader,
    with_demo_vocabulary,
)

#: Passages that pruning keeps.
_KEPT = 3

#: Passages of each of many questions.
_FEW = 8

#: Tokens of an answer of random weights, which would end nowhere by itself.
_TOKENS = 32


def measure_pruning(bench: Bench) -> Iterator[Measurement]:
    """Yield what pruning and answering again takes, beside both answers by themselves."""
    for shape in (None, *bench.profile.models):
        name = DEMO if shape is None else with_demo_vocabulary(shape).label
        point = {"passages": bench.profile.passages, "kept": _KEPT}
        if reason := _refusal(bench, shape, bench.profile.passages, 3):
            yield Measurement("pruning", name, point, skipped=reason)
        else:
            values = _pruning(bench, name, _reader(bench, shape))
            yield Measurement("pruning", name, point, values)


def _pruning(bench: Bench, name: str, reader: Reader) -> dict[str, float]:
    [(question, passages)] = questions(1, bench.profile.passages)
    options = _length(name)
    pruned = reader.answer(question, passages, prune_to=_KEPT, **options)  # warms up, too
    kept = [passages[index] for index in pruned.kept]
    work: dict[str, Callable[[], object]] = {
        "once": lambda: reader.answer(question, passages, **options),
        "second": lambda: reader.answer(question, kept, **options),
        "pruned": lambda: reader.answer(question, passages, prune_to=_KEPT, **options),
    }
    runs = {part: timed(bench.device, call) for part, call in work.items()}
    rounds = take_turns(runs, bench.profile.rounds * (3 if name == DEMO else 1))
    once, second, both = (middle(rounds, part) for part in ("once", "second", "pruned"))
    return {
        "once s": once,
        "second alone s": second,
        "pruned and again s": both,
        "rounds": float(len(rounds["once"])),
        "pruned ÷ once": both / once,
        "second ÷ once": second / once,
        "overhead ÷ once": (both - second - once) / once,
    }


def measure_batches(bench: Bench) -> Iterator[Measurement]:
    """Yield questions a second, many at once and one at a time."""
    count = bench.profile.questions
    for shape in (None, *bench.profile.models):
        name = DEMO if shape is None else with_demo_vocabulary(shape).label
        point = {"questions": count, "passages": _FEW}
        reason = _refusal(bench, shape, _FEW, 2 * count)
        if reason:
            yield Measurement("batches", name, point, skipped=reason)
        else:
            values = _batches(bench, name, _reader(bench, shape))
            yield Measurement("batches", name, point, values)


def _batches(bench: Bench, name: str, reader: Any) -> dict[str, float]:
    asked = questions(bench.profile.questions, _FEW)
    options = _length(name)
    work: dict[str, Callable[[], object]] = {
        "alone": lambda: [reader.answer(*one, **options) for one in asked],
        "together": lambda: reader.answer_batch(asked, **options),
    }
    runs = {part: timed(bench.device, call) for part, call in work.items()}
    reader.answer_batch(asked[:2], **options)  # warm up
    rounds = take_turns(runs, bench.profile.rounds)
    alone, together = middle(rounds, "alone"), middle(rounds, "together")
    return {
        "alone, questions a second": len(asked) / alone,
        "together, questions a second": len(asked) / together,
        "rounds": float(len(rounds["alone"])),
        "times faster": alone / together,
    }


def _reader(bench: Bench, shape: Shape | None) -> Reader:
    """Return the demo reader for no shape, and one with random weights for any other."""
    if shape is None:
        return demo_reader(bench.device)
    return random_reader(bench.model(with_demo_vocabulary(shape)))


def _length(name: str) -> dict[str, Any]:
    return {} if name == DEMO else {"min_new_tokens": _TOKENS, "max_new_tokens": _TOKENS}


def _refusal(bench: Bench, shape: Shape | None, passages: int, answers: int) -> str:
    """Return why a round of answers is not to be measured; empty if it is."""
    if shape is None:
        return bench.budget.refusal(0.5 * answers)
    if reason := bench.too_large(shape):
        return reason
    # About 50 tokens a passage.
    small = with_demo_vocabulary(shape)
    steps = _TOKENS * small.weight_bytes * STEP_SECONDS_PER_BYTE
    return bench.budget.refusal(answers * (bench.pass_seconds(small, 50 * passages) + steps))
