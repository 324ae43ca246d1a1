"""Sources beyond one passage list: earlier messages, tool results, the system prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from at2_rag.ablation.task import AttributionTask
from at2_rag.errors import ContextOverflowError, InputError
from at2_rag.evaluation import Comparison, Estimate
from at2_rag.evaluation.report import draw_bars
from at2_rag.methods import AttentionMethod, method_by_name
from at2_rag.reader import Reader
from rich.table import Table

from at2_rag_experiments.base import Experiment, ExperimentConfig, Record, Report
from at2_rag_experiments.conversation.placements import PLACEMENTS
from at2_rag_experiments.estimates import mean_of
from at2_rag_experiments.gold_question import GoldQuestion
from at2_rag_experiments.measuring import in_short, measured, merged, share_of_firsts
from at2_rag_experiments.methods import has_estimator, own_name
from at2_rag_experiments.questions import gold_questions
from at2_rag_experiments.short_answers import exact_match, final_answer
from at2_rag_experiments.tables import mean, result_table

METHODS = ("random", "average-attention", "leave-one-out", "esm-32")
_KS = (1, 3)


@dataclass(frozen=True)
class ConversationSourcesConfig(ExperimentConfig):
    """What the experiment can be told.

    Attributes:
        placements: Places that the passages are told in, of
            :data:`at2_rag_experiments.conversation.placements.PLACEMENTS`.
        methods: Methods to compare the reader's estimator with.
        num_passages: Passages of each question about a world.
        measured_ablations: Random ablations of each answer.
    """

    examples: int = 20
    placements: tuple[str, ...] = tuple(PLACEMENTS)
    methods: tuple[str, ...] = METHODS
    num_passages: int = 6
    measured_ablations: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if unknown := [name for name in self.placements if name not in PLACEMENTS]:
            raise InputError(
                f"placements holds {unknown[0]!r}; expected any of {', '.join(PLACEMENTS)}."
            )


@dataclass(frozen=True)
class PlacementResults:
    """What was found with the passages in one place.

    Attributes:
        placement: Name of the place.
        right: Share of final answers that are right.
        supporting_first: By method, how often the source scored highest lies in one of the
            passages that the answer takes, over statements that depend on their sources.
        comparison: All methods on all statements.
        too_long: How many conversations do not fit the model's context.
    """

    placement: str
    right: Estimate
    supporting_first: Mapping[str, Estimate]
    comparison: Comparison
    too_long: int

    def to_dict(self) -> Record:
        """Return plain JSON types, without the measurements, which are in the records."""
        return {
            "placement": self.placement,
            "right": asdict(self.right),
            "supporting_first": {m: asdict(e) for m, e in self.supporting_first.items()},
            "too_long": self.too_long,
            **in_short(self.comparison),
        }


@dataclass(frozen=True)
class ConversationSources(Experiment[GoldQuestion, Reader]):
    """Asks each question with its passages in each place, and measures what is said of sources."""

    name = "conversation-sources"
    config: ConversationSourcesConfig = ConversationSourcesConfig()

    def items(self) -> Sequence[GoldQuestion]:
        """Return the questions."""
        told = self.config
        return gold_questions(told.data, told.examples, told.seed, told.num_passages, 2)

    def measure(self, subject: Reader, item: GoldQuestion) -> Record:
        """Return what was answered and measured, by place.

        Raises:
            NumericalError: If the model or a method produced NaN.
        """
        return {name: self._measured(subject, item, name) for name in self.config.placements}

    def report(self, records: Sequence[Record]) -> Report:
        """Return tables, figure and results.

        Raises:
            InputError: If nothing could be measured.
        """
        places = self.config.placements
        every = [self._summarized(name, [r[name] for r in records]) for name in places]
        found = [results for results in every if results is not None]
        if not found:
            raise InputError(
                f"None of the {len(records)} conversations fits the model's context and was "
                "answered with a statement; expected at least one. Use another model."
            )
        results = {"placements": [results.to_dict() for results in found]}
        return Report(results, _tables(found), partial(_draw, found), (10.0, 4.5))

    def _measured(self, reader: Reader, item: GoldQuestion, placement: str) -> Record:
        told = self.config
        placed = PLACEMENTS[placement](item.question, item.passages)
        try:
            task = placed.task(reader, prompt=told.template, max_new_tokens=told.max_new_tokens)
        except ContextOverflowError:
            return {"too_long": True}
        methods = [method_by_name(name, seed=told.seed) for name in told.methods]
        if has_estimator(reader):
            methods.append(AttentionMethod(reader.estimator, label=own_name(reader)))
        return {
            "right": exact_match(final_answer(task.answer.text), item.answer),
            "supporting": _supporting(task, item),
            "measured": measured(task, methods, _KS, told.measured_ablations, told.seed),
        }

    def _summarized(self, name: str, records: Sequence[Record]) -> PlacementResults | None:
        fitting = [record for record in records if "too_long" not in record]
        usable = [record for record in fitting if record["measured"]]
        found = merged([record["measured"] for record in usable])
        if found is None:
            return None
        supporting = [record["supporting"] for record in usable]
        return PlacementResults(
            name,
            mean_of(record["right"] for record in fitting),
            share_of_firsts(found, lambda m: m.first in supporting[m.example]),
            found,
            len(records) - len(fitting),
        )


def _supporting(task: AttributionTask, item: GoldQuestion) -> list[int]:
    """Return which sources lie in passages that the answer takes, wherever these were told."""
    wanted = [item.passages[index].text for index in item.supporting]
    answer, found = task.answer, []
    for index, source in enumerate(answer.attribution.sources):
        text = answer.passages[source.passage_index].text
        places = [text.find(passage) for passage in wanted]
        if any(
            place >= 0 and place <= source.start and source.end <= place + len(passage)
            for place, passage in zip(places, wanted, strict=True)
        ):
            found.append(index)
    return found


def _tables(found: Sequence[PlacementResults]) -> tuple[Table, ...]:
    methods = list(found[0].comparison.methods)
    about = (
        f"Over {found[0].comparison.examples} questions; "
        f"{found[0].comparison.num_ablations} random ablations each. LDS of statements that depend "
        "on their sources."
    )
    scores = result_table(
        "LDS by where the passages are told", about, "passages in", "right", *methods
    )
    first = result_table(
        "How often the source scored highest lies in a supporting passage",
        "Over statements that depend on their sources.",
        *("passages in", "statements", *methods),
    )
    for results in found:
        by_method = {s.method: s for s in results.comparison.summaries}
        cells = [mean(by_method[name].lds_dependent, 2) for name in methods]
        scores.add_row(results.placement, mean(results.right, 2), *cells)
        hits = [str(results.supporting_first[name]) for name in methods]
        first.add_row(results.placement, str(results.comparison.dependent), *hits)
    return scores, first


def _draw(found: Sequence[PlacementResults], figure: Any) -> None:
    """Draw the LDS and the share of supporting first sources of each method, by place."""
    scores, first = figure.subplots(1, 2)
    names = [results.placement for results in found]
    summaries = [{s.method: s for s in results.comparison.summaries} for results in found]
    shown = [name for name in found[0].comparison.methods if name != "random"]
    draw_bars(scores, names, {m: [group[m].lds_dependent for group in summaries] for m in shown})
    scores.set_xlabel("LDS, dependent statements")
    draw_bars(first, names, {m: [r.supporting_first[m] for r in found] for m in shown})
    first.set_xlabel("source scored highest is in a supporting passage")
    first.set_yticklabels([])
    first.get_legend().remove()
