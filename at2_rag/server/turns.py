"""Turns at a model that works for one at a time: first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque

from at2_rag.server.problems import Problem


class Turns:
    """Who waits for the model, in the order in which they came.

    Args:
        most: How many wait at a time at most, beside the one whose turn it is.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._line: deque[Turn] = deque()

    @property
    def busy(self) -> bool:
        """Whether it is somebody's turn."""
        return bool(self._line)

    @property
    def waiting(self) -> int:
        """How many wait, beside the one whose turn it is."""
        return max(len(self._line) - 1, 0)

    def enter(self) -> Turn:
        """Stand in line, behind all others.

        Raises:
            Problem: If too many wait already.
        """
        if self.busy and self.waiting >= self._most:
            raise Problem(
                429,
                f"{self.waiting} requests wait for the model, and no more may. Try again later.",
                "queue_full",
                headers={"Retry-After": "5"},
            )
        turn = Turn(self._line)
        self._line.append(turn)
        self._line[0].begin()
        return turn


class Turn:
    """A place in the line, and later at the model.

    Args:
        line: All places in order, the one whose turn it is first.
    """

    def __init__(self, line: deque[Turn]) -> None:
        self._line = line
        self._begun = asyncio.Event()

    @property
    def ahead(self) -> int:
        """How many come before; 0 when it is this one's turn."""
        return self._line.index(self) if self in self._line else 0

    def begin(self) -> None:
        """Say that it is this one's turn."""
        self._begun.set()

    async def come(self) -> None:
        """Wait for the turn."""
        await self._begun.wait()

    def leave(self) -> None:
        """Make room, from wherever in the line."""
        if self in self._line:
            self._line.remove(self)
            if self._line:
                self._line[0].begin()
