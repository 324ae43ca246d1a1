"""The bar that shows how far a collection is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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

from at2_rag.cli.console import stderr

if TYPE_CHECKING:
    from at2_rag.training import Outcome


class Rate(ProgressColumn):
    """Examples in a second, or seconds for an example where that is the larger number."""

    def render(self, task: Task) -> Text:
        """Return the rate; nothing before it is known."""
        if not task.speed:
            return Text("")
        if task.speed >= 1:
            return Text(f"{task.speed:.1f} examples/s")
        return Text(f"{1 / task.speed:.1f} s/example")


@contextmanager
def collect_progress(total: int) -> Iterator[Callable[[Outcome], None]]:
    """Show a bar with rate and time left on stderr, on a terminal."""
    columns = (
        TextColumn("collecting"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    console = stderr()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        done = 0

        def advance(outcome: Outcome) -> None:
            nonlocal done
            done += 1
            if outcome.resumed:
                # What was there before took no time, and would promise a rate that is not real.
                bar.reset(task, completed=done, total=total)
            else:
                bar.advance(task)

        yield advance
