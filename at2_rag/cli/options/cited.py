"""What is cited: an answer that is there, or whole logs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from at2_rag.cli.options.choices import RecordFormat

_CITED = "What is cited"
_LOGS = "Whole logs"

AnswerFile = Annotated[
    Path | None,
    typer.Option(
        "--answer",
        "-a",
        metavar="FILE|-",
        help="Text file with the answer; - reads standard input.",
        rich_help_panel=_CITED,
        show_default=False,
    ),
]
QuestionOption = Annotated[
    str | None,
    typer.Option(
        "--question",
        "-q",
        metavar="TEXT",
        help="The question that it answers, in quotes.",
        rich_help_panel=_CITED,
        show_default=False,
    ),
]
PassagesOrLogs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE|DIR|URL",
        help="More passages; with --out, logs.",
        show_default=False,
    ),
]
Out = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|URL",
        help="Cite every row of the FILEs instead, JSON lines or Parquet with question, passages "
        "and answer, into this folder, or a URL that fsspec knows; the same again goes on where "
        "it stopped.",
        rich_help_panel=_LOGS,
        show_default=False,
    ),
]
LogOut = Annotated[
    str,
    typer.Option(
        "--out",
        metavar="DIR|URL",
        help="Folder to write into, or to go on writing into; or a URL that fsspec knows, such as "
        "s3://bucket/run.",
        rich_help_panel=_LOGS,
        show_default=False,
    ),
]
LogFiles = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE|URL",
        help="JSON lines or Parquet, or URLs of them that fsspec knows: question and passages "
        "in each row, or user_input and "
        "retrieved_contexts, or inputs and outputs with these.",
        show_default=False,
    ),
]
Format = Annotated[
    RecordFormat,
    typer.Option("--format", help="What the records are written as.", rich_help_panel=_LOGS),
]
RowsPerPart = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="N",
        help="Rows gone through, and written, at a time; those of like length run together.",
        rich_help_panel=_LOGS,
    ),
]
