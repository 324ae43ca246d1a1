"""The command line, ``at2-rag``. It needs the extra ``cli``."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from at2_rag.errors import missing_extra

_NEEDED = ("typer", "rich", "bm25s")


def main() -> None:
    """Run the command line and exit with its code."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        error = missing_extra("The command line", ", ".join(missing), "cli")
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    from at2_rag.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal without Unicode shows ? for the rest
            stream.reconfigure(errors="replace")
    app(prog_name="at2-rag")
