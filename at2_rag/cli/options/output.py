"""What is written, and where to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[
    bool, typer.Option("--json", help="Write the result as JSON, and nothing else, to stdout.")
]
Scores = Annotated[
    bool,
    typer.Option(
        "--scores",
        help="With --json or --out, the tables of scores too: a row a source, a column a token.",
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html",
        metavar="FILE",
        help="Write the answer as a page as well, on which to see what each statement goes back "
        "to; it needs no other file and no network.",
        show_default=False,
    ),
]
