"""Measuring methods side by side (paper, section 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from at2_rag.ablation.task import AblationKind, AttributionTask
from at2_rag.errors import InputError
from at2_rag.evaluation.metrics import EvaluationData, linear_datamodeling_score, top_k_drops
from at2_rag.evaluation.results import Comparison, MeasuredTarget, Measurement, Timing
from at2_rag.evaluation.statistics import DEPENDENT_SPREAD
from at2_rag.evaluation.timing import forward_seconds, timed_scores
from at2_rag.methods.base import AttributionMethod

#: Effects of random ablations that a correlation is taken over, for each target.
DEFAULT_ABLATIONS = 64


@dataclass
class _Notes:
    """What was measured so far."""

    targets: list[MeasuredTarget] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)


def compare(
    tasks: Iterable[AttributionTask],
    methods: Sequence[AttributionMethod],
    *,
    ks: Sequence[int] = (1, 3, 5),
    num_ablations: int = DEFAULT_ABLATIONS,
    min_spread: float = DEPENDENT_SPREAD,
    seed: int = 0,
    by: AblationKind = "attention",
    on_task: Callable[[int], None] | None = None,
) -> Comparison:
    """Measure top-k drop, linear datamodeling score and time of methods on the same targets.

    Args:
        tasks: What to explain, taken one at a time, as from ``reader.task(question, passages)``.
        methods: The methods to compare, each of another name.
        ks: How many of the highest-scoring sources to ablate, for each of the top-k drops.
        num_ablations: How many random ablations each task has, shared by all methods.
        min_spread: A target whose log-probability random ablations move over less than this, in
            nats, depends on no source, and is also counted apart.
        seed: Which random ablations each task has; the same seed draws the same ones.
        by: Whether measurements mask sources out of attention or remove their text from the prompt;
            methods ablate in their own way.
        on_task: Called with the number of tasks done, after each.

    Raises:
        InputError: If an argument cannot be used, or no task had a statement and a source.
        NumericalError: If the model or a method produced NaN.
    """
    names = _checked_names(methods)
    notes, skipped = _Notes(), 0
    for index, task in enumerate(tasks):
        if task.targets and task.sources:
            data = EvaluationData.collect(task, num_ablations, seed, by)
            _note_targets(notes, index, task, data, min_spread)
            _measure(notes, index, task, data, methods, ks, by)
        else:
            skipped += 1
        if on_task is not None:
            on_task(index + 1)
    if not notes.targets:
        raise InputError(
            f"Nothing to measure: of {skipped} examples none had an answer with a statement and "
            "passages with a source. Check the examples, or give more."
        )
    return Comparison(
        names,
        tuple(ks),
        num_ablations,
        min_spread,
        seed,
        skipped,
        tuple(notes.targets),
        tuple(notes.measurements),
        tuple(notes.timings),
    )


def _checked_names(methods: Sequence[AttributionMethod]) -> tuple[str, ...]:
    names = tuple(method.name for method in methods)
    if not names:
        raise InputError("No methods to compare; expected at least one.")
    if len(set(names)) < len(names):
        raise InputError(
            f"The methods are called {', '.join(names)}; expected different names. "
            "AttentionMethod(estimator, label=...) tells two estimators apart."
        )
    return names


def _note_targets(
    notes: _Notes, index: int, task: AttributionTask, data: EvaluationData, min_spread: float
) -> None:
    texts = [statement.text for statement in task.answer.statements]
    for target, (text, whole, spread) in enumerate(
        zip(texts, data.whole.tolist(), data.spread.tolist(), strict=True)
    ):
        notes.targets.append(
            MeasuredTarget(index, target, text, whole, spread, spread >= min_spread)
        )


def _measure(
    notes: _Notes,
    index: int,
    task: AttributionTask,
    data: EvaluationData,
    methods: Sequence[AttributionMethod],
    ks: Sequence[int],
    by: AblationKind,
) -> None:
    forward = forward_seconds(task)
    for method in methods:
        scores, seconds = timed_scores(method, task)
        drops = top_k_drops(task, scores, ks, data.whole, by)
        lds = linear_datamodeling_score(scores, data)
        notes.timings.append(
            Timing(method.name, index, seconds, forward, method.forward_passes(task))
        )
        notes.measurements += [
            Measurement(
                method.name,
                index,
                target,
                float(lds[target]),
                tuple(drops[target].tolist()),
                int(scores[target].argsort(descending=True, stable=True)[0]),
            )
            for target in range(len(task.targets))
        ]
