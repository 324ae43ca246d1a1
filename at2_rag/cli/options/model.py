"""Which model reads, and what its attention is weighted by."""

from __future__ import annotations

from typing import Annotated

import typer

from at2_rag.cli.loading import DEMO, EXAMPLE_MODEL
from at2_rag.cli.options.choices import Dtype

_MODEL = "Model"

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help=f"Hub id or folder of the model, such as {EXAMPLE_MODEL}, or a GGUF file; {DEMO}, the "
        "default, is a tiny one inside this package that knows a made-up world only.",
        rich_help_panel=_MODEL,
        show_default=False,
    ),
]
Estimator = Annotated[
    str,
    typer.Option(
        metavar="PATH|ID|auto|average",
        help="What turns attention into scores: the path or hub id of a learned estimator; auto "
        "looks for one beside the model, in the hub's cache and for a published one, and else "
        "probes the model for heads that read, once; average is average attention.",
        rich_help_panel=_MODEL,
    ),
]
DtypeOption = Annotated[
    Dtype,
    typer.Option(
        help="Number format of the weights; auto is the model's own (bfloat16 for a GGUF file), or "
        "float32 on a processor that is slow with that, if memory allows.",
        rich_help_panel=_MODEL,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        help="Such as cpu, cuda, cuda:1, mps; auto takes a GPU with CUDA if there is one.",
        rich_help_panel=_MODEL,
    ),
]
InfoModel = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help=f"Hub id, folder or GGUF file of a model, or {DEMO}.",
        show_default=False,
    ),
]
