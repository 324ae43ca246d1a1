"""Collecting what coefficients are learned from: answers, ablations, features (section 3.2)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from at2_rag.ablation.masking import DEFAULT_BYTE_LIMIT
from at2_rag.datasets.example import TrainingExample
from at2_rag.documents.sources import SourceUnit
from at2_rag.reader import Reader
from at2_rag.training.collector import CollectOptions, Collector, share
from at2_rag.training.outcomes import CollectReport, Outcome
from at2_rag.training.shards import ShardFolder


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
        examples: The examples, in a fixed order and with unique ids.
        out: Where the records go: a folder, new or of the same run, or a URL that fsspec knows,
            such as ``s3://bucket/run``.
        num_ablations: How many random ablations each example has, each source kept with probability
            ½.
        source_unit: What a source is, and so what is ablated; the paper trains on tokens, which
            transfers to sentences.
        seed: Which random ablations each example has; the same seed draws the same ones.
        shard: (index from 0, count), to do every count-th example, from the index-th on.
        max_examples: How many examples to go through at most, from the first on.
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
    options = CollectOptions(num_ablations, source_unit, seed, byte_limit, copying, detail)
    mine = share(examples, shard, max_examples)
    collector = Collector.begin(reader, ShardFolder.at(out), options)
    began, outcomes = time.monotonic(), []
    for index, example in mine:
        outcomes.append(collector.collect(index, example))
        if progress is not None:
            progress(outcomes[-1])
    return CollectReport.of(collector.folder.where, outcomes, time.monotonic() - began)
