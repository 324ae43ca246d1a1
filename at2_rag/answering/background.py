"""Work in a thread of its own, whose results are handed over one by one as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import copy_context
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class NobodyListens(BaseException):
    """Whoever took the results has left, so the work is to end; no error, and no ``Exception``."""


@dataclass(frozen=True)
class _End:
    """The last thing handed over: how the work ended."""

    error: BaseException | None


class Line(Generic[T]):
    """What a piece of work hands its results to.

    Args:
        deliver: Takes each result to the other side, and at last how the work ended.
    """

    def __init__(self, deliver: Callable[[T | _End], None]) -> None:
        self._deliver = deliver
        self._left = Event()

    def put(self, item: T) -> None:
        """Hand over a result.

        Raises:
            NobodyListens: If there is no use in going on.
        """
        self.check()
        self._deliver(item)

    def check(self) -> None:
        """Raise ``NobodyListens`` if there is no use in going on."""
        if self._left.is_set():
            raise NobodyListens

    def leave(self) -> None:
        """Say, from the other side, that nobody listens any more."""
        self._left.set()

    def start(self, work: Callable[[Line[T]], None]) -> Thread:
        """Start the work in a thread, which sees the caller's context variables."""
        thread = Thread(target=copy_context().run, args=(self._run, work), name="at2-rag answer")
        thread.start()
        return thread

    def _run(self, work: Callable[[Line[T]], None]) -> None:
        end = _End(None)
        try:
            work(self)
        except NobodyListens:
            pass
        except BaseException as error:
            end = _End(error)
        self._deliver(end)
        del end  # an error and the frames that it went through would hold each other


def in_background(work: Callable[[Line[T]], None]) -> Generator[T, None, None]:
    """Yield what the work hands over, and raise what it raises.

    Closing the generator tells the work to end, and waits until it has.

    Args:
        work: Hands its results to the line; called in a thread of its own, once the generator is
            started.
    """
    results: SimpleQueue[T | _End] = SimpleQueue()
    line: Line[T] = Line(results.put)
    thread = line.start(work)
    result: T | _End | None = None
    try:
        while not isinstance(result := results.get(), _End):
            yield result
        if result.error is not None:
            raise result.error
    finally:
        line.leave()
        thread.join()
        result = None  # as for the end of the work


async def in_async_background(work: Callable[[Line[T]], None]) -> AsyncGenerator[T, None]:
    """Yield what the work hands over, and raise what it raises; the event loop stays free.

    Closing the generator tells the work to end, and waits until it has.

    Args:
        work: Hands its results to the line; called in a thread of its own, once the generator is
            started.
    """
    loop = asyncio.get_running_loop()
    results: asyncio.Queue[T | _End] = asyncio.Queue()

    def deliver(result: T | _End) -> None:
        try:
            loop.call_soon_threadsafe(results.put_nowait, result)
        except RuntimeError:  # the loop was closed
            line.leave()

    line: Line[T] = Line(deliver)
    thread = line.start(work)
    result: T | _End | None = None
    try:
        while not isinstance(result := await results.get(), _End):
            yield result
        if result.error is not None:
            raise result.error
    finally:
        line.leave()
        if not isinstance(result, _End):
            await _end_of(results)
        thread.join()  # it has said its last word
        result = None


async def _end_of(results: asyncio.Queue[T | _End]) -> None:
    """Wait for the end, also where the waiting itself is cancelled; it comes soon."""
    cancelled: asyncio.CancelledError | None = None
    while True:
        try:
            if isinstance(await results.get(), _End):
                break
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
