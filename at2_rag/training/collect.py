"""Collecting what coefficients are learned from: answers, ablations, features (section 3.2)."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from at2_rag.ablation import DEFAULT_BYTE_LIMIT, random_masks
from at2_rag.capture import AttentionCapture, capture_of
from at2_rag.errors import ContextOverflowError, InputError, NumericalError
from at2_rag.reader import Reader
from at2_rag.sources import SourceUnit, check_unit
from at2_rag.task import AttributionTask
from at2_rag.training.examples import TrainingExample
from at2_rag.training.features import ablation_data
from at2_rag.training.manifest import make_manifest
from at2_rag.training.records import SkipReason, SkipRecord, TrainingRecord
from at2_rag.training.shards import ShardFolder


@dataclass(frozen=True)
class Outcome:
    """What became of one example.

    Attributes:
        id: The example's id.
        resumed: Whether it was done by an earlier call, and is left as it is.
        skipped: Why there is nothing to learn from it; ``None`` if there is, or if it is resumed.
    """

    id: str
    resumed: bool = False
    skipped: SkipReason | None = None


@dataclass(frozen=True)
class CollectReport:
    """What a collection did.

    Attributes:
        folder: Where the records are.
        stored: Examples that were collected.
        resumed: Examples that had been done before.
        skipped: Examples that there is nothing to learn from, by reason.
        seconds: How long it took.
    """

    folder: Path
    stored: int
    resumed: int
    skipped: dict[SkipReason, int]
    seconds: float

    @property
    def examples(self) -> int:
        """How many examples were gone through."""
        return self.stored + self.resumed + sum(self.skipped.values())


def collect(
    reader: Reader,
    examples: Iterable[TrainingExample],
    out: str | Path,
    *,
    num_ablations: int = 32,
    source_unit: SourceUnit = "token",
    seed: int = 0,
    shard: tuple[int, int] = (0, 1),
    max_examples: int | None = None,
    progress: Callable[[Outcome], None] | None = None,
    byte_limit: int = DEFAULT_BYTE_LIMIT,
    copying: bool = False,
    detail: bool = False,
) -> CollectReport:
    """Collect features and effects of ablations, one file per example.

    An example's answer, ablations and file depend on the example, the model and ``seed`` alone,
    so shards and batches of any size give the same. Called again, it goes on where it stopped,
    also after ``kill -9``; the example in hand is lost, and no other.

    Args:
        reader: The reader whose model is explained; its estimator plays no part.
        examples: In a fixed order; with unique ids.
        out: The folder, new or of the same run.
        num_ablations: Random ablations of each example, each source kept with probability ½.
        source_unit: What is ablated; the paper trains on tokens, which transfers to sentences.
        seed: Of the ablations.
        shard: (index from 0, count): do every count-th example, from the index-th on.
        max_examples: Go through the first so many only.
        progress: Called after every example of this shard.
        byte_limit: Bound on the logits of one batch of ablations, in bytes.
        copying: Whether to collect what copying coefficients are learned from as well.
        detail: Whether to collect what network estimators and calibration are learned from as
            well: attention by source and answer token, and the effect of leaving out each source
            alone, a forward pass each. Includes ``copying``. For sentences and passages; with
            token sources it takes a pass for every token of the passages.

    Raises:
        InputError: If an argument or an example cannot be used, or ``out`` holds another run.
        FileFormatError: If a file in ``out`` is damaged.
        DiskFullError: If the disk is full; everything before is stored.
    """
    _check(num_ablations, source_unit, shard, max_examples)
    collector = _Collector(
        reader,
        capture_of(reader.model),
        num_ablations,
        source_unit,
        seed,
        byte_limit,
        copying or detail,
        detail,
    )
    folder = ShardFolder(Path(out))
    folder.open_run(
        make_manifest(
            reader,
            num_ablations=num_ablations,
            source_unit=source_unit,
            seed=seed,
            copying=copying or detail,
            detail=detail,
        )
    )
    began, outcomes = time.monotonic(), []
    for index, example in _share(examples, shard, max_examples):
        outcomes.append(_one(collector, folder, index, example))
        if progress is not None:
            progress(outcomes[-1])
    return _report(folder.path, outcomes, time.monotonic() - began)


def example_masks(example_id: str, num_ablations: int, sources: int, seed: int) -> torch.Tensor:
    """Return (ablations, sources): an example's masks, whatever else is in the run."""
    digest = hashlib.sha256(f"{seed}\n{example_id}".encode("utf-8", "surrogatepass")).digest()
    return random_masks(num_ablations, sources, int.from_bytes(digest[:7], "big"))


@dataclass(frozen=True)
class _Collector:
    reader: Reader
    capture: AttentionCapture
    num_ablations: int
    source_unit: SourceUnit
    seed: int
    byte_limit: int
    copying: bool
    detail: bool

    def record(self, example: TrainingExample) -> TrainingRecord | SkipRecord:
        """Answer, ablate and measure one example, or say why not."""

        def skip(reason: SkipReason, detail: object) -> SkipRecord:
            return SkipRecord(example.id, example.fingerprint, reason, str(detail))

        if example.answer is not None and not example.answer.strip():
            return skip(SkipReason.empty_answer, "the given answer has no text")
        try:
            task = self._task(example)
            unusable = _unusable(task)
            return skip(*unusable) if unusable else self._measure(example, task)
        except ContextOverflowError as error:
            return skip(SkipReason.too_long, error)
        except NumericalError as error:
            return skip(SkipReason.not_finite, error)
        except torch.OutOfMemoryError as error:
            return skip(SkipReason.out_of_memory, error)
        except InputError as error:
            raise InputError(f"The example {example.id!r} cannot be used: {error}") from error

    def _task(self, example: TrainingExample) -> AttributionTask:
        return self.reader.task(
            example.question,
            example.passages,
            example.answer,
            history=example.history,
            # Passages left out silently would make another example of it.
            on_overflow="error",
            source_unit=self.source_unit,
            **example.options,
        )

    def _measure(self, example: TrainingExample, task: AttributionTask) -> TrainingRecord:
        masks = example_masks(example.id, self.num_ablations, len(task.sources), self.seed)
        data = ablation_data(
            task,
            masks,
            self.capture,
            self.byte_limit,
            copying=self.copying,
            detail=self.detail,
        )
        return TrainingRecord(
            example.id,
            example.fingerprint,
            task.answer.text,
            self.capture.shape,
            masks,
            data.features,
            data.outputs,
            data.log_probabilities,
            data.detail,
        )


def _unusable(task: AttributionTask) -> tuple[SkipReason, str] | None:
    text = task.answer.text
    if not text:
        return SkipReason.empty_answer, "the model answered with nothing"
    if not task.targets or not any(map(str.isalnum, text)):
        return SkipReason.no_statement, f"the answer {text!r} says nothing"
    if len(task.sources) < 2:
        return SkipReason.single_source, "one source has no other to be compared with"
    return None


def _one(
    collector: _Collector, folder: ShardFolder, index: int, example: TrainingExample
) -> Outcome:
    if folder.has(index, example):
        return Outcome(example.id, resumed=True)
    record = collector.record(example)
    if isinstance(record, TrainingRecord):
        folder.store(index, record)
        return Outcome(example.id)
    # Memory may be free the next time; nothing else about an example will change.
    if record.reason is not SkipReason.out_of_memory:
        folder.store(index, record)
    return Outcome(example.id, skipped=record.reason)


def _share(
    examples: Iterable[TrainingExample], shard: tuple[int, int], most: int | None
) -> Iterator[tuple[int, TrainingExample]]:
    """Yield this shard's examples with their places in the run."""
    index, count = shard
    seen: set[str] = set()
    for place, example in enumerate(islice(examples, most)):
        if example.id in seen:
            raise InputError(
                f"Two examples have the id {example.id!r}; expected unique ids, since ablations "
                "are drawn from them. Rename one."
            )
        seen.add(example.id)
        if place % count == index:
            yield place, example


def _check(
    num_ablations: int, source_unit: str, shard: tuple[int, int], max_examples: int | None
) -> None:
    check_unit(source_unit)
    if max_examples is not None and max_examples < 1:
        raise InputError(f"max_examples is {max_examples}; expected at least 1, or None for all.")
    if num_ablations < 2:
        raise InputError(
            f"num_ablations is {num_ablations}; expected at least 2, and 32 to learn well."
        )
    index, count = shard
    if not 0 <= index < count:
        raise InputError(f"shard is {shard}; expected (index, count) with 0 <= index < count.")


def _report(folder: Path, outcomes: list[Outcome], seconds: float) -> CollectReport:
    skipped = Counter(outcome.skipped for outcome in outcomes if outcome.skipped)
    resumed = sum(outcome.resumed for outcome in outcomes)
    stored = len(outcomes) - resumed - skipped.total()
    return CollectReport(folder, stored, resumed, dict(skipped), seconds)
