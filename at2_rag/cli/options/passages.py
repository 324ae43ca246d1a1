"""What is read: the question, and the passages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from at2_rag.cli.options.choices import OnOverflow

_READING = "Reading"

Question = Annotated[
    str, typer.Argument(metavar="QUESTION", help="The question, in quotes.", show_default=False)
]
MoreFiles = Annotated[list[Path] | None, typer.Argument(metavar="FILE|DIR", help="More passages.")]
Files = Annotated[
    list[Path] | None,
    typer.Option(
        "--passages",
        "-p",
        metavar="FILE|DIR",
        help="Passages: .txt, .md, .rst, .html, .pdf, .docx, .csv, .tsv, .json, .jsonl or folders "
        "of these; more may follow it. One example of a HotpotQA-style file: dev.json#3.",
        rich_help_panel=_READING,
        show_default=False,
    ),
]
MaxPassages = Annotated[
    int,
    typer.Option(
        min=1,
        help="When more were read, keep so many, the best by BM25 of the question.",
        rich_help_panel=_READING,
    ),
]
Overflow = Annotated[
    OnOverflow,
    typer.Option(
        help="Passages too long for the model: stop, drop those that do not fit, or truncate the "
        "longest, by sentences.",
        rich_help_panel=_READING,
    ),
]
