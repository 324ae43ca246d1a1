"""What the demo is told."""

from __future__ import annotations

from typing import Annotated

import typer

Tiny = Annotated[
    bool,
    typer.Option(
        "--tiny", help="Use the tiny reader inside this package, which knows a made-up world only."
    ),
]
DemoModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        envvar="AT2_DEMO_MODEL",
        help="Hub id, folder or GGUF file of another model than SmolLM2-135M-Instruct.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option(help="Another seed asks about other worlds, with --tiny.")]
Questions = Annotated[
    int,
    typer.Option(
        min=1, help="How many questions to answer: up to 3, or as many as wanted with --tiny."
    ),
]
