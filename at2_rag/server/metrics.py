"""Counts of what a server has done, as Prometheus reads them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

#: What is counted, and what it means.
_COUNTED = {
    "requests": "Requests by status.",
    "refused": "Requests that were refused before the model was asked, by status.",
    "cancelled": "Requests whose client left before the end.",
    "prompt_tokens": "Tokens of prompts that were answered or cited.",
    "answer_tokens": "Tokens that were written or read as answers.",
}

_STATM = Path("/proc/self/statm")


class Metrics:
    """What has happened since the server began."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._seconds = 0.0
        self._worked = 0

    def count(self, what: str, by: int = 1, status: int | None = None) -> None:
        """Count something.

        Args:
            what: The name of what is counted, such as ``"requests"``.
            by: How many there were.
            status: The status of the response, where it is counted by that; ``None`` elsewhere.
        """
        label = "" if status is None else f'{{status="{status}"}}'
        self._counts[what, label] += by

    def counted(self, what: str) -> int:
        """Return how much of something there was, whatever its status."""
        return sum(count for (name, _), count in self._counts.items() if name == what)

    def took(self, seconds: float) -> None:
        """Note how long the model worked on a request.

        Args:
            seconds: From the turn's beginning to the end.
        """
        self._seconds += seconds
        self._worked += 1

    def text(self, waiting: int, busy: bool) -> str:
        """Return all in Prometheus' text format.

        Args:
            waiting: How many requests wait for the model.
            busy: Whether the model is at work.
        """
        lines = []
        for what, meaning in _COUNTED.items():
            lines += [f"# HELP at2_{what}_total {meaning}", f"# TYPE at2_{what}_total counter"]
            found = {label: n for (name, label), n in self._counts.items() if name == what}
            lines += [f"at2_{what}_total{label} {n}" for label, n in (found or {"": 0}).items()]
        lines += [
            "# HELP at2_model_seconds How long the model worked on requests.",
            "# TYPE at2_model_seconds summary",
            f"at2_model_seconds_sum {self._seconds:.6f}",
            f"at2_model_seconds_count {self._worked}",
            *_gauge("at2_waiting", "Requests that wait for the model.", waiting),
            *_gauge("at2_busy", "Whether the model is at work.", int(busy)),
        ]
        if _STATM.exists():
            told = "Memory that the process holds."
            lines += _gauge("process_resident_memory_bytes", told, resident_bytes())
        return "\n".join([*lines, ""])


def resident_bytes() -> int:
    """Return how much memory the process holds, in bytes.

    Raises:
        OSError: Where the system does not tell.
    """
    return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _gauge(name: str, meaning: str, value: int) -> list[str]:
    return [f"# HELP {name} {meaning}", f"# TYPE {name} gauge", f"{name} {value}"]
