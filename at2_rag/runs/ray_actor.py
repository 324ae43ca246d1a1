"""What runs in Ray's processes: the work of a run, and counting how often a piece was begun."""

from __future__ import annotations

import pickle
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch

from at2_rag.errors import At2Error, ContextOverflowError, InputError


class Attempts:
    """Counts how often each piece was begun; a process of its own, which outlives the others."""

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()

    def begin(self, index: int) -> int:
        """Count the piece at a place of the run, and return how often it has been begun."""
        self._begun[index] += 1
        return self._begun[index]


class Work(Protocol):
    """What an actor does with one piece of a run after the other."""

    def name(self, row: Mapping[str, Any]) -> str:
        """Return what a piece is called in errors, such as ``The example 'a'``."""

    def do(self, row: Mapping[str, Any]) -> Any:
        """Do a piece, store what comes of it, and return what is to be told; it is pickled.

        Args:
            row: What is told of the piece; ``id`` is its place in the run.
        """


class Actor:
    """Holds one model, and does the pieces that it is given.

    What goes wrong is returned as a result, not raised: it arrives as it was, and at once, where
    Ray would wrap or retry it.

    Args:
        begin_work: Loads what does the work, in the actor's process.
        threads: How many threads compute on the CPU.
        begin: Counts a piece as begun, and returns how often it was.
        attempts: How often a piece may be begun.
    """

    def __init__(
        self,
        begin_work: Callable[[], Work],
        threads: int,
        begin: Callable[[int], int],
        attempts: int,
    ) -> None:
        torch.set_num_threads(threads)
        self._begin, self._attempts = begin, attempts
        self._work: Work | None = None
        self._broken: Exception | None = None
        try:
            self._work = begin_work()
        except Exception as error:  # whatever it is, the caller has to be told
            self._broken = portable(error, "An actor could not begin")

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Do one piece.

        Args:
            row: What is told of a piece: ``id``, its place in the run; if it was there when the run
                began, ``before``, which is then not counted as an attempt; and what its work needs.

        Returns:
            ``result``: what the work returns, or an exception, pickled.
        """
        if self._work is None:
            return {"result": pickle.dumps(self._broken)}
        name = self._work.name(row)
        try:
            self._count(row, name)
            result = self._work.do(row)
        except Exception as error:  # whatever it is, the caller has to be told
            result = portable(error, f"{name} stopped its actor")
        return {"result": pickle.dumps(result)}

    @staticmethod
    def result(row: Mapping[str, Any]) -> Any:
        """Return what the work returned, or the exception, of what an actor answers."""
        return pickle.loads(row["result"])

    def _count(self, row: Mapping[str, Any], name: str) -> None:
        if not row.get("before") and self._begin(row["id"]) > self._attempts:
            raise At2Error(
                f"{name} was begun {self._attempts} times, and each time its actor died over it, "
                "most often for want of memory. Give actors more memory, or leave it out. What "
                "was done is stored; run the same again to go on."
            )


def portable(error: Exception, problem: str) -> Exception:
    """Return an error that any process can unpickle, with the traceback as a note.

    Args:
        error: What was raised.
        problem: What to say before an error that is none of ours.
    """
    if isinstance(error, ContextOverflowError):
        result: Exception = InputError(str(error))
    elif isinstance(error, At2Error):
        result = type(error)(str(error))
    elif isinstance(error, ImportError):
        result = ImportError(str(error))
    else:
        result = At2Error(f"{problem}: {type(error).__name__}: {error}")
    result.add_note("".join(traceback.format_exception(error)))
    return result
