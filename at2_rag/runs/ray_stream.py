"""The pieces of a run streamed through actors by Ray Data, and what becomes of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from at2_rag.errors import At2Error
from at2_rag.runs.ray_actor import Actor, Attempts, Work
from at2_rag.runs.ray_cluster import RayWorkers, connected, import_ray

#: Most blocks of the dataset; up to here, a block is one piece.
_MOST_BLOCKS = 10_000

#: What is known of the pieces beforehand: a mapping for each, or only how many there are.
Pieces = Sequence[dict[str, Any]] | range


def stream(pieces: Pieces, begin_work: Callable[[], Work], workers: RayWorkers) -> Generator[Any]:
    """Yield what becomes of the pieces of a run, as they are done.

    When an actor dies, or its machine, the piece in hand is begun again by another.

    Args:
        pieces: What the work is told of each; or ``range(count)``, where it is told ``id`` alone,
            and nothing is held for pieces whose turn has not come.
        begin_work: Called once in each actor, to load what does the work there.
        workers: How many actors, what each takes, and where.

    Raises:
        ImportError: If Ray is not installed.
        InputError: If there is no such cluster.
        At2Error: Whatever an actor met; or that a piece's actor died over it each time, or that Ray
            gave up.
    """
    if not pieces:
        return
    with connected(workers) as pool:
        ray = import_ray()
        counter = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Attempts).remote()

        def begin(index: int) -> int:
            count: int = ray.get(counter.begin.remote(index))
            return count

        dataset = _dataset(ray, pieces).map(
            Actor,
            fn_constructor_args=(begin_work, workers.threads, begin, workers.attempts),
            compute=ray.data.ActorPoolStrategy(
                size=min(pool.actors, len(pieces)),
                # The next one is at hand, and no more: a piece takes long, and others may be idle.
                max_tasks_in_flight_per_actor=2,
            ),
            # Ray Data wants one of the two.
            **({"num_gpus": pool.gpus} if pool.gpus else {"num_cpus": pool.cpus}),
        )
        dataset.context.max_consecutive_actor_init_deaths = workers.attempts
        results = iter(dataset.iter_rows())
        try:
            yield from _results(ray, results)
        finally:
            # Frees the actors, where the cluster goes on.
            del results, dataset
            ray.kill(counter)


def _results(ray: Any, rows: Iterator[dict[str, Any]]) -> Iterator[Any]:
    try:
        for row in rows:
            result = Actor.result(row)
            if isinstance(result, Exception):
                raise result
            yield result
    except ray.exceptions.RayError as error:
        raise At2Error(
            f"Ray gave up: {str(error).strip().splitlines()[-1]} What was done is stored; run the "
            "same again to go on."
        ) from error


def _dataset(ray: Any, pieces: Pieces) -> Any:
    """Return the lazy dataset of pieces, of blocks so small that a task is one piece."""
    # It would tell of each run that there are no progress bars, and of its end.
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    blocks = min(len(pieces), _MOST_BLOCKS)
    if isinstance(pieces, range):
        return ray.data.range(len(pieces), override_num_blocks=blocks)
    return ray.data.from_items(pieces, override_num_blocks=blocks)
