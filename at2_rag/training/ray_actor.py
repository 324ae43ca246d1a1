"""What runs in Ray's processes: collecting, and counting how often an example was begun."""

from __future__ import annotations

import pickle
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch

from at2_rag.errors import At2Error, ContextOverflowError, InputError
from at2_rag.reader import Reader
from at2_rag.training.collector import CollectOptions, Collector
from at2_rag.training.outcomes import Outcome
from at2_rag.training.shards import ShardFolder


class Attempts:
    """Counts how often each example was begun; a process of its own, which outlives the others."""

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()

    def begin(self, index: int) -> int:
        """Count the example at a place of the run, and return how often it has been begun."""
        self._begun[index] += 1
        return self._begun[index]


class CollectingActor:
    """Holds one model, and collects the examples that it is given.

    What goes wrong is returned as a result, not raised: it arrives as it was, and at once, where
    Ray would wrap or retry it.

    Args:
        load_reader: Loads the reader, in the actor's process.
        out: Path or URL of the folder that the records go to.
        options: What is collected of each example.
        threads: How many threads compute on the CPU.
        begin: Counts an example as begun, and returns how often it was.
        attempts: How often an example may be begun.
    """

    def __init__(
        self,
        load_reader: Callable[[], Reader],
        out: str,
        options: CollectOptions,
        threads: int,
        begin: Callable[[int], int],
        attempts: int,
    ) -> None:
        torch.set_num_threads(threads)
        self._begin, self._attempts = begin, attempts
        self._collector: Collector | None = None
        self._broken: Exception | None = None
        try:
            self._collector = Collector.begin(load_reader(), ShardFolder.at(out), options)
        except Exception as error:  # whatever it is, the caller has to be told
            self._broken = error

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Collect one example.

        Args:
            row: What is told of an example: ``index``, its place in the run; ``example``, pickled;
                ``before``, whether it was there when the run began.

        Returns:
            ``result``: an ``Outcome`` or an exception, pickled.
        """
        example = pickle.loads(row["example"])
        try:
            result: Outcome | Exception = self._collect(row["index"], example, row["before"])
        except Exception as error:  # whatever it is, the caller has to be told
            result = _portable(error, example.id)
        return {"result": pickle.dumps(result)}

    def _collect(self, index: int, example: Any, before: bool) -> Outcome:
        if self._collector is None:
            raise self._broken or At2Error("The reader was not loaded.")
        if not before and self._begin(index) > self._attempts:
            raise At2Error(
                f"The example {example.id!r} was begun {self._attempts} times, and each time its "
                "actor died over it, most often for want of memory. Give actors more memory, or "
                "leave the example out. What was collected is stored; run the same again to go on."
            )
        outcome = self._collector.collect(index, example)
        if outcome.resumed and not before:
            # An actor stored it in this run, and died before it could say so.
            return Outcome(example.id, skipped=self._collector.folder.skipped(index))
        return outcome


def _portable(error: Exception, example_id: str) -> Exception:
    """Return an error that any process can unpickle, with the traceback as a note."""
    if isinstance(error, ContextOverflowError):
        result: Exception = InputError(str(error))
    elif isinstance(error, At2Error):
        result = type(error)(str(error))
    else:
        result = At2Error(
            f"The example {example_id!r} stopped its actor: {type(error).__name__}: {error}"
        )
    result.add_note("".join(traceback.format_exception(error)))
    return result
