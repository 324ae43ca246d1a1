"""Greedy against sampled answers: attention knows what was predicted, not what was drawn (§6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from random import Random
from typing import Any

import torch
from at2_rag.ablation.task import AttributionTask
from at2_rag.datasets.example import TrainingExample
from at2_rag.errors import ContextOverflowError, InputError
from at2_rag.evaluation.compare import compare
from at2_rag.methods import AttributionMethod
from at2_rag.reader import Reader

from at2_rag_experiments.base import Experiment, ExperimentConfig, Record, Report
from at2_rag_experiments.examples import examples_for
from at2_rag_experiments.methods import methods_of
from at2_rag_experiments.sampling.draws import alternative_to, gaps
from at2_rag_experiments.sampling.report import draw, tables
from at2_rag_experiments.sampling.results import MOST_LIKELY, summarize

#: ``at2`` is left out where the reader has no learned estimator.
METHODS = ("average-attention", "gradient", "esm-32", "leave-one-out", "at2")

#: Of the top-k drops.
KS = (1, 3)

#: Greedy, among the temperatures.
GREEDY = 0.0


@dataclass(frozen=True)
class SamplingConfig(ExperimentConfig):
    """What the experiment can be told.

    Attributes:
        temperatures: Temperatures to draw answers at, from the model's whole distribution; the
            greedy answer is always measured, too.
        methods: Methods to measure, of :data:`at2_rag.methods.METHOD_NAMES`.
        num_ablations: Random ablations of each answer, for the linear datamodeling score.
        num_passages: Fewest and most passages of an example about a world.
        hops: Facts that a question about a world may take.
    """

    temperatures: tuple[float, ...] = (0.5, 1.0, 1.5)
    methods: tuple[str, ...] = METHODS
    num_ablations: int = 64
    num_passages: tuple[int, int] = (4, 8)
    hops: tuple[int, ...] = (1, 2)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperatures or min(self.temperatures) <= 0:
            raise InputError(
                f"temperatures is {self.temperatures}; expected some above 0. The greedy answer "
                "needs none."
            )


@dataclass(frozen=True)
class Sampling(Experiment[TrainingExample, Reader]):
    """Measures methods on the greedy answer and on drawn ones, and what they say of rare draws."""

    name = "sampling"
    config: SamplingConfig = SamplingConfig()

    def items(self) -> Sequence[TrainingExample]:
        """Return the examples."""
        told = self.config
        return examples_for(
            "measuring",
            told.data,
            told.examples,
            told.seed,
            num_passages=told.num_passages,
            hops=told.hops,
        )

    def measure(self, subject: Reader, item: TrainingExample) -> Record:
        """Return every answer of an example, and what was measured on it.

        Raises:
            InputError: If there is no such method.
            NumericalError: If the model produced NaN.
        """
        methods = methods_of(subject, self.config.methods, self.config.seed)
        answers: list[Record] = []
        # At low temperatures the same answer is drawn again, and would be measured to the same.
        known: dict[tuple[int, ...], Record] = {}
        for temperature in (GREEDY, *self.config.temperatures):
            try:
                task = self._task(subject, item, temperature)
            except ContextOverflowError as error:
                return {"too_long_by": error.excess}
            if task.ids not in known:
                known[task.ids] = self._measured(task, methods)
            answers.append({"temperature": temperature, **known[task.ids]})
        return {"answers": answers}

    def report(self, records: Sequence[Record]) -> Report:
        """Return tables, figure and results.

        Raises:
            InputError: If no example has an answer to measure on.
        """
        found = summarize(records, KS)
        if found is None:
            raise InputError(
                f"None of the {len(records)} examples fits the model's context and was answered "
                "with a statement; expected at least one. Use another model, or shorter passages."
            )
        return Report(asdict(found), tables(found), partial(draw, found), (12.0, 4.4))

    def _task(self, reader: Reader, item: TrainingExample, temperature: float) -> AttributionTask:
        """Have the model answer: greedily, or from all of its own distribution."""
        told = self.config
        options: dict[str, Any] = {"prompt": told.template, "max_new_tokens": told.max_new_tokens}
        options |= {"repetition_penalty": 1.0, **item.options}
        if temperature != GREEDY:
            options |= {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        with torch.random.fork_rng():
            # Apart from all other items and temperatures, so that each can be drawn again alone.
            torch.manual_seed(Random(f"{told.seed}/{item.id}/{temperature}").getrandbits(63))
            return reader.task(item.question, item.passages, history=item.history, **options)

    def _measured(self, task: AttributionTask, methods: Sequence[AttributionMethod]) -> Record:
        found: Record = {"text": task.answer.text, "truncated": task.answer.truncated}
        if not task.targets or not task.sources:
            return {**found, "statements": []}
        told = self.config
        measured = compare([task], methods, ks=KS, num_ablations=told.num_ablations, seed=told.seed)
        unlikely = gaps(task)
        statements = []
        for target, (start, end) in zip(measured.targets, task.targets, strict=True):
            place = start + int(unlikely[start:end].argmax())
            gap = float(unlikely[place])
            statements.append(
                {
                    "text": target.text,
                    "dependent": target.dependent,
                    "gap": gap,
                    "alternative": alternative_to(task, place, methods)
                    if gap > MOST_LIKELY
                    else None,
                    "methods": {
                        m.method: {"lds": m.lds, "drops": list(m.drops)}
                        for m in measured.measurements
                        if m.target == target.target
                    },
                }
            )
        return {**found, "statements": statements}
