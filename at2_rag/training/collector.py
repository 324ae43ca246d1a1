"""Collecting one example, wherever it is done: its answer, its ablations, its file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch

from at2_rag.ablation.masking import DEFAULT_BYTE_LIMIT, random_masks
from at2_rag.ablation.task import AttributionTask
from at2_rag.attention.recording import AttentionCapture, capture_of
from at2_rag.datasets.example import TrainingExample
from at2_rag.documents.sources import SourceUnit, check_unit
from at2_rag.errors import ContextOverflowError, InputError, NumericalError
from at2_rag.reader import Reader
from at2_rag.training.features import ablation_data
from at2_rag.training.manifest import make_manifest
from at2_rag.training.outcomes import Outcome
from at2_rag.training.records import SkipReason, SkipRecord, TrainingRecord
from at2_rag.training.shards import ShardFolder


@dataclass(frozen=True)
class CollectOptions:
    """What is collected of each example.

    Attributes:
        num_ablations: How many random ablations each example has, each source kept with probability
            ½.
        source_unit: What a source is, and so what is ablated.
        seed: Which random ablations each example has; the same seed draws the same ones.
        byte_limit: Bound on the logits of one batch of ablations, in bytes.
        copying: Whether the features of copying coefficients are collected.
        detail: Whether attention and effects by source are collected; includes ``copying``.
    """

    num_ablations: int = 32
    source_unit: SourceUnit = "token"
    seed: int = 0
    byte_limit: int = DEFAULT_BYTE_LIMIT
    copying: bool = False
    detail: bool = False

    def __post_init__(self) -> None:
        check_unit(self.source_unit)
        if self.num_ablations < 2:
            raise InputError(
                f"num_ablations is {self.num_ablations}; expected at least 2, and 32 to learn well."
            )

    @property
    def with_copying(self) -> bool:
        """Whether copying features are collected, by themselves or with the detail."""
        return self.copying or self.detail


@dataclass(frozen=True)
class Collector:
    """Collects examples into a folder, one at a time.

    Attributes:
        reader: The reader whose model is explained.
        capture: The capture of the reader's model.
        folder: Where the records go.
        options: What is collected of each example.
    """

    reader: Reader
    capture: AttentionCapture
    folder: ShardFolder
    options: CollectOptions

    @classmethod
    def begin(cls, reader: Reader, folder: ShardFolder, options: CollectOptions) -> Collector:
        """Begin a run in a folder, or go on with the same one.

        Raises:
            InputError: If the folder holds another run, or cannot be written to.
            FileFormatError: If its manifest is damaged.
            DiskFullError: If there is no room.
        """
        capture = capture_of(reader.model)
        manifest = make_manifest(
            reader,
            num_ablations=options.num_ablations,
            source_unit=options.source_unit,
            seed=options.seed,
            copying=options.with_copying,
            detail=options.detail,
        )
        folder.open_run(manifest)
        return cls(reader, capture, folder, options)

    def collect(self, index: int, example: TrainingExample) -> Outcome:
        """Collect the example at a place of the run, unless it was done before.

        Raises:
            InputError: If it cannot be used, or another one is stored at that place.
            FileFormatError: If what is stored there is damaged.
            DiskFullError: If there is no room.
        """
        if self.folder.has(index, example):
            return Outcome(example.id, resumed=True)
        record = self._record(example)
        if isinstance(record, TrainingRecord):
            self.folder.store_record(index, record)
            return Outcome(example.id)
        # Memory may be free the next time; nothing else about an example will change.
        if record.reason is not SkipReason.out_of_memory:
            self.folder.store_record(index, record)
        return Outcome(example.id, skipped=record.reason)

    def _record(self, example: TrainingExample) -> TrainingRecord | SkipRecord:
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
            source_unit=self.options.source_unit,
            **example.options,
        )

    def _measure(self, example: TrainingExample, task: AttributionTask) -> TrainingRecord:
        options = self.options
        masks = example_masks(example.id, options.num_ablations, len(task.sources), options.seed)
        data = ablation_data(
            task,
            masks,
            self.capture,
            options.byte_limit,
            copying=options.with_copying,
            detail=options.detail,
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
            task.answer.settings.prompt.message,
        )


def example_masks(example_id: str, num_ablations: int, sources: int, seed: int) -> torch.Tensor:
    """Return (ablations, sources): an example's masks, whatever else is in the run."""
    digest = hashlib.sha256(f"{seed}\n{example_id}".encode("utf-8", "surrogatepass")).digest()
    return random_masks(num_ablations, sources, int.from_bytes(digest[:7], "big"))


def _unusable(task: AttributionTask) -> tuple[SkipReason, str] | None:
    text, thoughts = task.answer.text, task.answer.thoughts
    if not text and thoughts is not None and not thoughts.finished:
        return SkipReason.empty_answer, "the answer was cut off in its thoughts"
    if not text:
        return SkipReason.empty_answer, "the model answered with nothing"
    if not task.targets or not any(map(str.isalnum, text)):
        return SkipReason.no_statement, f"the answer {text!r} says nothing"
    if len(task.sources) < 2:
        return SkipReason.single_source, "one source has no other to be compared with"
    return None


def share(
    examples: Iterable[TrainingExample], shard: tuple[int, int], most: int | None
) -> Iterator[tuple[int, TrainingExample]]:
    """Yield a shard's examples with their places in the run.

    Args:
        examples: The examples of the whole run.
        shard: (index from 0, count), for every count-th example, from the index-th on.
        most: How many examples to go through at most, from the first on.

    Raises:
        InputError: If there is no such shard, or two examples have the same id.
    """
    index, count = shard
    if most is not None and most < 1:
        raise InputError(f"max_examples is {most}; expected at least 1, or None for all.")
    if not 0 <= index < count:
        raise InputError(f"shard is {shard}; expected (index, count) with 0 <= index < count.")
    return _share(examples, index, count, most)


def _share(
    examples: Iterable[TrainingExample], index: int, count: int, most: int | None
) -> Iterator[tuple[int, TrainingExample]]:
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
