"""Collecting on many GPUs or machines, with Ray Data: the same files as in one process."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from at2_rag.ablation.masking import DEFAULT_BYTE_LIMIT
from at2_rag.datasets.example import TrainingExample
from at2_rag.documents.sources import SourceUnit
from at2_rag.errors import At2Error, InputError
from at2_rag.reader import Reader
from at2_rag.runs.local_store import LocalStore
from at2_rag.training.collector import CollectOptions, share
from at2_rag.training.outcomes import CollectReport, Outcome
from at2_rag.training.ray_actor import Attempts, CollectingActor
from at2_rag.training.ray_cluster import Pool, RayWorkers, connected, import_ray
from at2_rag.training.shards import ShardFolder

#: Most blocks of the dataset; up to here, a block is one example.
_MOST_BLOCKS = 10_000


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
    folder = _shared(ShardFolder.at(out))
    rows = _rows(share(examples, shard, max_examples), folder.indices())
    began, outcomes = time.monotonic(), []
    if rows:
        with connected(workers) as pool:
            arguments = (load_reader, folder.where, options)
            for outcome in _run(rows, pool, workers, arguments):
                outcomes.append(outcome)
                if progress is not None:
                    progress(outcome)
    return CollectReport.of(folder.where, outcomes, time.monotonic() - began)


def _shared(folder: ShardFolder) -> ShardFolder:
    """Return the folder as other processes find it too.

    Raises:
        InputError: If they cannot.
    """
    if isinstance(folder.store, LocalStore):
        return ShardFolder(LocalStore(folder.store.folder.absolute()))
    if folder.where.startswith("memory:"):
        raise InputError(
            f"{folder.where!r} is the memory of one process, which actors do not share; expected "
            "a folder, or a URL such as s3://bucket/run."
        )
    return folder


def _rows(
    examples: Iterable[tuple[int, TrainingExample]], before: set[int]
) -> list[dict[str, Any]]:
    """Return the dataset: examples as bytes, so that Arrow need not know what they are."""
    return [
        {"index": index, "example": pickle.dumps(example), "before": index in before}
        for index, example in examples
    ]


def _run(
    rows: list[dict[str, Any]], pool: Pool, workers: RayWorkers, arguments: tuple[Any, ...]
) -> Iterator[Outcome]:
    """Yield what becomes of the examples, as they are done.

    Raises:
        At2Error: Whatever an actor met, or that Ray gave up.
    """
    ray = import_ray()
    counter = ray.remote(num_cpus=0, max_restarts=-1)(Attempts).remote()

    def begin(index: int) -> int:
        count: int = ray.get(counter.begin.remote(index))
        return count

    dataset = _dataset(ray, rows, pool, (*arguments, workers.threads, begin, workers.attempts))
    dataset.context.max_consecutive_actor_init_deaths = workers.attempts
    results = iter(dataset.iter_rows())
    try:
        for row in results:
            result = pickle.loads(row["result"])
            if isinstance(result, Exception):
                raise result
            yield result
    except ray.exceptions.RayError as error:
        raise At2Error(
            f"Ray gave up: {str(error).strip().splitlines()[-1]} What was collected is stored; "
            "run the same again to go on."
        ) from error
    finally:
        # Frees the actors, where the cluster goes on.
        del results, dataset
        ray.kill(counter)


def _dataset(ray: Any, rows: list[dict[str, Any]], pool: Pool, arguments: tuple[Any, ...]) -> Any:
    """Return the lazy dataset of results: one task an example, over a pool of actors."""
    # It would tell of each run that there are no progress bars, and of its end.
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    dataset = ray.data.from_items(rows, override_num_blocks=min(len(rows), _MOST_BLOCKS))
    return dataset.map(
        CollectingActor,
        fn_constructor_args=arguments,
        compute=ray.data.ActorPoolStrategy(
            size=min(pool.actors, len(rows)),
            # The next one is at hand, and no more: examples take long, and others may be idle.
            max_tasks_in_flight_per_actor=2,
        ),
        # Ray Data wants one of the two.
        **({"num_gpus": pool.gpus} if pool.gpus else {"num_cpus": pool.cpus}),
    )
