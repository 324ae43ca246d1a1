"""How long something may take, over all the times that it is begun again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from at2_rag.errors import InputError

#: Of the time that is given, so much is left for what comes after the examples.
_LEFT_FOR_FITTING = 0.05


class Budget:
    """Time to spend on examples, kept in a file, so that who goes on has the rest of it.

    Args:
        path: File with the seconds that were spent; it need not be there.
        minutes: How long all may take together; ``None`` for as long as it takes.
        clock: Seconds of a clock that never goes back.

    Raises:
        InputError: If the minutes are not above 0.
    """

    def __init__(
        self, path: Path, minutes: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if minutes is not None and not minutes > 0:
            raise InputError(f"minutes is {minutes}; expected more than 0, or None for no bound.")
        self._path, self._clock = path, clock
        self._limit = None if minutes is None else 60 * minutes * (1 - _LEFT_FOR_FITTING)
        self._before = _read(path)
        self._began = clock()
        self._longest = 0.0
        self._last = self._began

    @property
    def spent(self) -> float:
        """Seconds that were spent so far, those of earlier times included."""
        return self._before + self._clock() - self._began

    @property
    def left(self) -> float | None:
        """Seconds that are left; ``None`` without a bound."""
        return None if self._limit is None else max(self._limit - self.spent, 0.0)

    @property
    def has_room(self) -> bool:
        """Whether something that takes as long as the longest yet still fits."""
        return self._limit is None or self.spent + self._longest <= self._limit

    def note(self) -> None:
        """Write down what was spent, and how long it is since the last time."""
        now = self._clock()
        self._longest = max(self._longest, now - self._last)
        self._last = now
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps({"seconds": round(self.spent, 3)}) + "\n")

    def skip(self) -> None:
        """Leave out of the longest what was done since the last note."""
        self._last = self._clock()


def _read(path: Path) -> float:
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["seconds"])
    except (OSError, ValueError, KeyError, TypeError):  # none yet, or cut off by a full disk
        return 0.0
