"""What the model does for one request, in its turn and in the background."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

from at2_rag.server.limits import Limits
from at2_rag.server.metrics import Metrics
from at2_rag.server.problems import Problem, problem_of
from at2_rag.server.turns import Turns

T = TypeVar("T")


@dataclass(frozen=True)
class Quiet:
    """Nothing has come for a while.

    Attributes:
        ahead: How many requests the model answers before this one; 0 while it is at this one.
    """

    ahead: int


@dataclass(frozen=True)
class _End:
    """The last thing that comes, and what went wrong, if anything did."""

    problem: Problem | None = None


class Desk:
    """Where requests wait for the model; it belongs to one at a time.

    Args:
        limits: How many may wait, and how long anything may take.
        metrics: Counts what is done.
    """

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self.limits = limits
        self.metrics = metrics
        self.turns = Turns(limits.waiting)
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, events: Callable[[], AsyncGenerator[T]]) -> Work[T]:
        """Have the model do something when it is free, and return what tells how it goes.

        Args:
            events: Begins the work, in its turn; closing what it returns ends the work.

        Raises:
            Problem: If too many wait already.
        """
        work = Work(self, events)
        self._tasks.add(work.task)
        work.task.add_done_callback(self._tasks.discard)
        return work

    async def close(self) -> None:
        """End all that is being done, and wait for that."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Work(Generic[T]):
    """One piece of work, from its place in the line to its end.

    The model never waits for a client: what it says is kept until it is taken, and the next
    request's turn comes when the model is done, however slowly this one's client reads.

    Args:
        desk: Where the work is to be done.
        events: Begins the work; closing what it returns ends it.
    """

    def __init__(self, desk: Desk, events: Callable[[], AsyncGenerator[T]]) -> None:
        self._desk, self._events = desk, events
        self._turn = desk.turns.enter()
        self._come: asyncio.Queue[T | _End] = asyncio.Queue()
        self._first: T | _End | None = None
        self.task = asyncio.create_task(self._run())

    @property
    def ahead(self) -> int:
        """How many requests the model answers before this one."""
        return self._turn.ahead

    def leave(self) -> None:
        """Say that nobody listens any more: what has not begun never does, and else it ends."""
        if not self.task.done():
            self._desk.metrics.count("cancelled")
            self.task.cancel()

    async def begun(self, seconds: float) -> None:
        """Wait for the first event, but no longer than that; it stays there to be taken.

        Args:
            seconds: How long to wait at most.

        Raises:
            Problem: If the work has failed before it.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                self._first = await self._come.get()
        if isinstance(self._first, _End) and self._first.problem is not None:
            raise self._first.problem

    async def events(self) -> AsyncGenerator[T | Quiet]:
        """Yield what comes, and whenever nothing has come for a while, that it is quiet.

        Raises:
            Problem: If the work fails.
        """
        while True:
            try:
                event = await self._next(self._desk.limits.quiet_seconds)
            except TimeoutError:
                yield Quiet(self.ahead)
                continue
            if isinstance(event, _End):
                if event.problem is not None:
                    raise event.problem
                return
            yield event

    async def last(self) -> T:
        """Wait for the end, and return the last event.

        Raises:
            Problem: If the work fails.
        """
        last: T | None = None
        async for event in self.events():
            if not isinstance(event, Quiet):
                last = event
        if last is None:
            raise Problem(500, "The model ended without a word; expected an answer.")
        return last

    async def _next(self, seconds: float) -> T | _End:
        if self._first is not None:
            event, self._first = self._first, None
            return event
        async with asyncio.timeout(seconds):
            return await self._come.get()

    async def _run(self) -> None:
        """Wait for the turn and have the work done; whatever happens, the turn passes on."""
        limits = self._desk.limits
        begun = None
        try:
            async with asyncio.timeout(limits.wait_seconds):
                await self._turn.come()
            begun = monotonic()
            await self._within(limits.seconds)
            self._come.put_nowait(_End())
        except TimeoutError:
            waited = f"The model was not free within {limits.wait_seconds:g} seconds."
            self._come.put_nowait(_End(Problem(504, f"{waited} Try again later.", "timeout")))
        except Exception as error:
            self._come.put_nowait(_End(problem_of(error)))
        finally:
            self._turn.leave()
            if begun is not None:  # who has waited in vain took nothing of the model's time
                self._desk.metrics.took(monotonic() - begun)

    async def _within(self, seconds: float) -> None:
        """Have the work done; one that takes too long is told at once, and then ended."""
        own = asyncio.current_task()
        assert own is not None  # this is only ever awaited by one

        def stop() -> None:
            told = f"The model took longer than {seconds:g} seconds. Ask for a shorter answer."
            self._come.put_nowait(_End(Problem(504, told, "timeout")))
            own.cancel()

        timer = asyncio.get_running_loop().call_later(seconds, stop)
        try:
            async with aclosing(self._events()) as events:
                async for event in events:
                    self._come.put_nowait(event)
        finally:
            timer.cancel()
