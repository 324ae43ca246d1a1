"""Attribution methods side by side: faithfulness, time, coefficients (section 4, appendix B)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from at2_rag.ablation.task import AttributionTask
from at2_rag.documents.sources import SourceUnit, check_unit
from at2_rag.errors import InputError
from at2_rag.evaluation import example_tasks
from at2_rag.evaluation.compare import DEFAULT_ABLATIONS
from at2_rag.methods import AttributionMethod, method_by_name
from at2_rag.reader import Reader
from at2_rag.training import TrainingExample
from torch import Tensor

from at2_rag_experiments.base import Experiment, ExperimentConfig, OnDone, Record, Report
from at2_rag_experiments.comparison.report import SIZE, draw, tables
from at2_rag_experiments.comparison.results import summarize, timed
from at2_rag_experiments.comparison.side_by_side import comparison_page, shown_record
from at2_rag_experiments.comparison.training import (
    KINDS,
    MEASURED_HOPS,
    ORIGINS,
    Learned,
    TrainingPlan,
    label,
    learn_all,
    papers_own,
)
from at2_rag_experiments.examples import examples_for
from at2_rag_experiments.methods import PROBED, SHIPPED, methods_beside

#: The paper has surrogates of up to 256 ablations; these take the time of all the others together.
METHODS = ("random", "average-attention", "gradient", "leave-one-out", "esm-32", "esm-64")


@dataclass(frozen=True)
class MethodComparisonConfig(ExperimentConfig):
    """What the comparison of methods can be told.

    The prompt is the data set's own, or the reader's; ``prompt`` is not used.

    Attributes:
        examples: Examples to measure on.
        general: What stands for learning in general, named as ``data`` is, all of a file; with
            worlds, one-hop questions about them do, and two-hop questions are the task.
        num_passages: Fewest and most passages of an example about a world.
        training_examples: Examples to learn from in general, and as many from the task; 2,000 in
            the paper.
        training_ablations: Random ablations of each of these examples.
        fit_steps: Steps of the paper's descent.
        network_steps: Steps of a network's training.
        kinds: What is learned: ``at2`` is the paper's, ``at2-sentences`` the same learned on
            sentences instead of tokens, ``at2-ridge`` that by a ridge, and ``copying`` and
            ``network`` go beyond the paper.
        methods: Methods to compare these with, of :data:`at2_rag.methods.METHOD_NAMES`.
        units: What sources are, one after the other.
        ablations: Random ablations of each measured example.
        shown: How many examples the page shows.
        columns: Methods that the page shows; without any, average attention, gradients, the
            surrogate of the most ablations, both of the paper's and the reader's own estimator.
    """

    examples: int = 20
    general: str = "dolly"
    num_passages: tuple[int, int] = (4, 8)
    training_examples: int = 60
    training_ablations: int = 32
    fit_steps: int = 1000
    network_steps: int = 300
    kinds: tuple[str, ...] = ("at2", "at2-sentences", "copying", "network")
    methods: tuple[str, ...] = METHODS
    units: tuple[SourceUnit, ...] = ("sentence", "token")
    ablations: int = DEFAULT_ABLATIONS
    shown: int = 3
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_least(training_examples=1, network_steps=1, shown=0)
        if unknown := [kind for kind in self.kinds if kind not in KINDS]:
            raise InputError(f"kinds holds {unknown[0]!r}; expected any of {', '.join(KINDS)}.")
        if not self.units:
            raise InputError("units is empty; expected at least one, such as 'sentence'.")
        for unit in self.units:
            check_unit(unit)
        for name in self.methods:
            method_by_name(name)
        self._check_columns()

    def _check_columns(self) -> None:
        learned = (label(kind, origin) for kind in self.kinds for origin in ORIGINS)
        known = (*self.methods, *learned, SHIPPED, PROBED)
        if unknown := [column for column in self.columns if column not in known]:
            raise InputError(
                f"columns holds {unknown[0]!r}; expected any of {', '.join(known)}, which are "
                "what is compared."
            )

    @property
    def plan(self) -> TrainingPlan:
        """What is to be learned."""
        return TrainingPlan(
            self.data,
            self.general,
            self.kinds,
            self.num_passages,
            self.training_examples,
            self.training_ablations,
            self.fit_steps,
            self.network_steps,
            self.seed,
        )


@dataclass(frozen=True)
class ComparisonItem:
    """An example to measure methods on; or, without one, what was learned, to be noted.

    Attributes:
        example: The example; ``None`` for what was learned.
        shown: Whether the example comes onto the page.
    """

    example: TrainingExample | None
    shown: bool = False

    @property
    def id(self) -> str:
        """Name of the example, or of what was learned."""
        return "learned" if self.example is None else f"example {self.example.id}"

    @property
    def fingerprint(self) -> str:
        """Hash of the example; what is learned depends on the config alone."""
        return "" if self.example is None else self.example.fingerprint


@dataclass(frozen=True, eq=False)
class ComparisonSubject:
    """What examples are measured on.

    Attributes:
        reader: The reader that answers.
        learned: The estimators that were learned.
    """

    reader: Reader
    learned: Learned


@dataclass(frozen=True)
class _Remembering:
    """A method whose scores can be looked at afterwards.

    Attributes:
        method: What scores, at most once for each task.
        seen: Scores that it gave so far, (targets, sources) each.
    """

    method: AttributionMethod
    seen: list[Tensor] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the method."""
        return self.method.name

    def scores(self, task: AttributionTask) -> Tensor:
        """Return the method's scores, and remember them."""
        self.seen.append(self.method.scores(task))
        return self.seen[-1]

    def forward_passes(self, task: AttributionTask) -> float:
        """Return how many passes the method takes."""
        return self.method.forward_passes(task)


@dataclass(frozen=True)
class MethodComparison(Experiment[ComparisonItem, ComparisonSubject]):
    """Learns coefficients from a general task and from the measured one, and compares methods."""

    name = "method-comparison"
    config: MethodComparisonConfig = MethodComparisonConfig()

    def items(self) -> Sequence[ComparisonItem]:
        """Return what was learned, as one item, and the examples.

        Raises:
            InputError: If there is no such data, or too little of it.
            FileFormatError: If a file cannot be read.
            MissingResourceError: If the hub does not give the data.
        """
        told = self.config
        found = examples_for(
            "measuring",
            told.data,
            told.examples,
            told.seed,
            num_passages=told.num_passages,
            hops=MEASURED_HOPS,
        )
        shown = [ComparisonItem(example, i < told.shown) for i, example in enumerate(found)]
        return [ComparisonItem(None), *shown]

    def prepare(self, reader: Reader, folder: Path, on_done: OnDone) -> ComparisonSubject:
        """Learn what is to be compared, or load it; see :func:`learn_all`."""
        answering = reader.with_options(max_new_tokens=self.config.max_new_tokens)
        return ComparisonSubject(answering, learn_all(self.config.plan, answering, folder, on_done))

    def measure(self, subject: ComparisonSubject, item: ComparisonItem) -> Record:
        """Return what was learned, or all methods' measurements on an example, by unit.

        Raises:
            NumericalError: If the model or a method produced NaN.
        """
        if item.example is None:
            return {"learned": subject.learned.record}
        units: Record = {}
        shown: Record = {}
        for unit in self.config.units:
            tasks = list(example_tasks(subject.reader, [item.example], source_unit=unit))
            if not tasks:
                return {"units": None}
            methods = [_Remembering(method) for method in self._methods(subject, unit)]
            units[unit] = timed(tasks[0], methods, self.config.ablations, self.config.seed)
            if item.shown and units[unit]:
                scores = {method.name: method.seen[-1] for method in methods}
                shown[unit] = shown_record(tasks[0].answer, scores)
        return {"id": item.example.id, "units": units, "shown": shown}

    def report(self, records: Sequence[Record]) -> Report:
        """Return tables, figure, results and the page.

        Raises:
            InputError: If nothing could be measured.
        """
        (learned, *examples) = records
        found = summarize(examples, learned["learned"])
        if found is None:
            raise InputError(
                f"None of the {len(examples)} examples fits the model's context and was answered "
                "with a statement; expected at least one. Use another model, or other data."
            )
        return Report(
            found.to_dict(),
            tables(found),
            partial(draw, found),
            SIZE,
            {"side_by_side.html": self._page(examples)},
        )

    def _methods(self, subject: ComparisonSubject, unit: str) -> list[AttributionMethod]:
        told, learned = self.config, subject.learned.estimators
        return methods_beside(subject.reader, learned, told.methods, unit, told.seed)

    def _page(self, examples: Sequence[Record]) -> str:
        shown = [
            (record["id"], unit, found, record["units"][unit])
            for record in examples
            for unit, found in record.get("shown", {}).items()
        ]
        return comparison_page(shown, self._columns)

    @property
    def _columns(self) -> Sequence[str]:
        told = self.config
        if told.columns:
            return told.columns
        surrogates = [name for name in told.methods if name.startswith("esm-")]
        largest = sorted(surrogates, key=lambda name: int(name.removeprefix("esm-")))[-1:]
        learned = papers_own([label(kind, origin) for kind in told.kinds for origin in ORIGINS])
        # What was not compared gets no column.
        return ["average-attention", "gradient", *largest, *learned, SHIPPED, PROBED]
