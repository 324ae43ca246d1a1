"""How far something with a known number of steps is: a bar on a terminal, else lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from at2_rag.cli.durations import in_words
from at2_rag.cli.notes import note_now, release_notes
from at2_rag.cli.screens import moving

#: What is called after each example: how many are done, how many there are, and whether this one
#: had been done before.
OnDone = Callable[[int, int, bool], None]

#: Seconds from line to line where there is no terminal; the first one comes sooner.
_EVERY = 60.0
_FIRST = 10.0


class _Rate(ProgressColumn):
    """Examples in a second, or seconds for an example where that is the larger number."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Return the rate; nothing before it is known."""
        return Text(_rate(task.speed, self._unit) if task.speed else "")


def _rate(speed: float, unit: str) -> str:
    return f"{speed:.1f} {unit}s/s" if speed >= 1 else f"{1 / speed:.1f} s/{unit}"


class ProgressLines:
    """Tells by a line now and then how far something is, for logs.

    Args:
        verb: What is done to the examples, to stand before the numbers.
        unit: What one of them is called.
        first: Seconds after which the first line may come.
        every: Seconds from line to line.
        clock: Tells the time, in seconds.
    """

    def __init__(
        self,
        verb: str,
        unit: str = "example",
        first: float = _FIRST,
        every: float = _EVERY,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._verb, self._unit = verb, unit
        self._every, self._clock = every, clock
        self._began = clock()
        self._next = self._began + first
        self._before = 0  # how many had been done before, which took no time
        self._done, self._seen = 0, self._began  # at the last call

    def on_done(self, done: int, total: int, before: bool = False) -> None:
        """Take in that one more is done, and tell it if it is time to.

        Args:
            done: How many are done.
            total: How many there are.
            before: Whether it had been done before.
        """
        now = self._clock()
        if done <= self._done:  # another stretch of work begins, at a pace of its own
            self._before, self._began = 0, self._seen
        self._done, self._seen = done, now
        if before:
            self._before, self._began = done, now
        elif now >= self._next and done < total:
            self._next = now + self._every
            speed = (done - self._before) / max(now - self._began, 1e-9)
            left = in_words((total - done) / speed)
            rate = _rate(speed, self._unit)
            note_now(f"{self._verb}: {done} of {total} done, {rate}, about {left} left")


@contextmanager
def resumable_progress(
    verb: str, total: int | None = None, unit: str = "example"
) -> Iterator[OnDone]:
    """Show how far something is, with the rate and the time left, on stderr.

    Yields what is to be called after each example.

    Args:
        verb: What is done to the examples, to stand before the bar.
        total: How many examples there are, if that is known.
        unit: What one of them is called.
    """
    release_notes()
    with moving() as console:
        if console.is_terminal:
            with _bar(verb, total, unit, console) as on_done:
                yield on_done
        else:
            yield ProgressLines(verb, unit).on_done


@contextmanager
def _bar(verb: str, total: int | None, unit: str, console: Console) -> Iterator[OnDone]:
    columns = (
        TextColumn(verb),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=total)

        def on_done(done: int, total: int, before: bool) -> None:
            # What was there before took no time, and would promise a rate that is not real; and of
            # another stretch of work, the rate is another.
            again = before or done <= bar.tasks[task].completed
            move = bar.reset if again else bar.update
            move(task, completed=done, total=total)

        yield on_done
