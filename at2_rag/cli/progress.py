"""The bar that shows how far something resumable is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


class _Rate(ProgressColumn):
    """Examples in a second, or seconds for an example where that is the larger number."""

    def render(self, task: Task) -> Text:
        """Return the rate; nothing before it is known."""
        if not task.speed:
            return Text("")
        if task.speed >= 1:
            return Text(f"{task.speed:.1f} examples/s")
        return Text(f"{1 / task.speed:.1f} s/example")


@contextmanager
def resumable_progress(
    verb: str, total: int | None = None
) -> Iterator[Callable[[int, int, bool], None]]:
    """Show a bar with rate and time left on stderr, on a terminal.

    Yields what is to be called after each example, with how many are done, how many there are, and
    whether it had been done before.

    Args:
        verb: What is done to the examples, to stand before the bar.
        total: How many examples there are, if that is known.
    """
    columns = (
        TextColumn(verb),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    console = stderr()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)

        def on_done(done: int, total: int, before: bool) -> None:
            # What was there before took no time, and would promise a rate that is not real.
            move = bar.reset if before else bar.update
            move(task, completed=done, total=total)

        yield on_done
