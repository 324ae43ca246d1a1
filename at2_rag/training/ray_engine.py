"""Collecting on many GPUs or machines, with Ray Data: the same files as in one process."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from at2_rag.ablation.masking import DEFAULT_BYTE_LIMIT
from at2_rag.datasets.example import TrainingExample
from at2_rag.documents.sources import SourceUnit
from at2_rag.reader import Reader
from at2_rag.runs.choose_store import shared_store_at
from at2_rag.runs.ray_cluster import RayWorkers
from at2_rag.runs.ray_stream import stream
from at2_rag.training.collector import CollectOptions, share
from at2_rag.training.outcomes import CollectReport, Outcome
from at2_rag.training.ray_work import CollectingWork
from at2_rag.training.shards import ShardFolder


def collect_with_ray(
    load_reader: Callable[[], Reader],
    examples: Iterable[TrainingExample],
    out: str | Path,
    *,
    workers: RayWorkers | None = None,
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
    """Do what :func:`~at2_rag.training.collect` does, with a model in each of several actors.

    The files are the same, byte for byte, where the model computes the same: on the same kind of
    device, with as many threads. Each actor writes its own, straight to ``out``. When an actor
    dies, or its machine, the example in hand is begun again by another. One that cannot be used
    stops the run, as it does in one process; and the same call goes on where the last one
    stopped, with as many actors as there are then.

    Args:
        load_reader: Called once by each actor, to load the reader there, such as
            ``Reader.demo`` or ``partial(Reader.from_pretrained, "org/model", dtype="bfloat16")``.
            It should put the model onto the GPU; an actor sees its own ones only.
        examples: The examples, in a fixed order and with unique ids.
        out: Where the records go: a folder that all machines share, or a URL that fsspec knows,
            such as ``s3://bucket/run``.
        workers: How many actors, what each takes, and where; by default all of the cluster in
            ``RAY_ADDRESS``, or of this machine.
        num_ablations: How many random ablations each example has, each source kept with probability
            ½.
        source_unit: What a source is, and so what is ablated.
        seed: Which random ablations each example has; the same seed draws the same ones.
        shard: (index from 0, count), to do every count-th example, from the index-th on.
        max_examples: How many examples to go through at most, from the first on.
        progress: Called here after every example, in the order in which they are done.
        byte_limit: Bound on the logits of one batch of ablations, in bytes.
        copying: Whether to collect what copying coefficients are learned from as well.
        detail: Whether to collect what network estimators and calibration are learned from.

    Raises:
        ImportError: If Ray is not installed.
        InputError: If an argument or an example cannot be used, ``out`` holds another run, or
            there is no such cluster.
        FileFormatError: If a file in ``out`` is damaged.
        DiskFullError: If the disk is full; everything before is stored.
        At2Error: If an example's actor died over it each time, or Ray gave up.
    """
    options = CollectOptions(num_ablations, source_unit, seed, byte_limit, copying, detail)
    workers = workers or RayWorkers()
    folder = ShardFolder(shared_store_at(out))
    rows = _rows(share(examples, shard, max_examples), folder.indices())
    begin = partial(CollectingWork.begin, load_reader, folder.where, options)
    began, outcomes = time.monotonic(), []
    with closing(stream(rows, begin, workers)) as done:
        for outcome in done:
            outcomes.append(outcome)
            if progress is not None:
                progress(outcome)
    return CollectReport.of(folder.where, outcomes, time.monotonic() - began)


def _rows(
    examples: Iterable[tuple[int, TrainingExample]], before: set[int]
) -> list[dict[str, Any]]:
    """Return the dataset: examples as bytes, so that Arrow need not know what they are."""
    return [
        {"id": index, "example": pickle.dumps(example), "before": index in before}
        for index, example in examples
    ]
