"""The options of the commands, described once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from at2_rag.cli.loading import DEMO, EXAMPLE_MODEL


class SourceUnit(StrEnum):
    """What is scored and cited."""

    sentence = "sentence"
    passage = "passage"
    word = "word"
    token = "token"


class ProofKind(StrEnum):
    """``--prove-by``."""

    attention = "attention"
    knockout = "knockout"


class ScoreKind(StrEnum):
    """``--score-by``."""

    attention = "attention"
    gradient = "gradient"


class OnOverflow(StrEnum):
    """What to do with passages that the model cannot take in."""

    error = "error"
    drop = "drop"
    truncate = "truncate"


class Dtype(StrEnum):
    """Number format of the weights."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class RecordFormat(StrEnum):
    """What the records of an audit are written as."""

    jsonl = "jsonl"
    parquet = "parquet"


_CITED = "What is cited"
_LOGS = "Whole logs"
_READING = "Reading"
_ANSWERING = "Answering"
_MODEL = "Model"

Question = Annotated[
    str, typer.Argument(metavar="QUESTION", help="The question, in quotes.", show_default=False)
]
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
MoreFiles = Annotated[list[Path] | None, typer.Argument(metavar="FILE|DIR", help="More passages.")]
PassagesOrLogs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE|DIR|URL",
        help="More passages; with --out, logs.",
        show_default=False,
    ),
]
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
PruneTo = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="K",
        help="Draft an answer, keep the K passages it used most, and answer again.",
        rich_help_panel=_ANSWERING,
        show_default=False,
    ),
]
Unit = Annotated[
    SourceUnit, typer.Option(help="What a citation points to.", rich_help_panel=_ANSWERING)
]
MaxCitations = Annotated[
    int,
    typer.Option(min=1, help="Most citations of one statement.", rich_help_panel=_ANSWERING),
]
MaxNewTokens = Annotated[
    int, typer.Option(min=1, help="Longest answer, in tokens.", rich_help_panel=_ANSWERING)
]
Thoughts = Annotated[
    bool,
    typer.Option(
        "--thoughts",
        help="Show what a reasoning model thought before, with citations.",
        rich_help_panel=_ANSWERING,
    ),
]
System = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", help="System prompt.", rich_help_panel=_ANSWERING, show_default=False
    ),
]
Prompt = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="How passages and question are put to the model: from-passages, published, "
        "published-context, published-final-answer, or a text file with {passages} and "
        "{question}; default published, or what the model was trained with.",
        rich_help_panel=_ANSWERING,
        show_default=False,
    ),
]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Prove it: leave out what each statement cites, and say how much less likely it gets.",
        rich_help_panel=_ANSWERING,
    ),
]
Prove = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Really leave out each statement's N best-scored sources, and cite those that it is "
        "half as likely without.",
        rich_help_panel=_ANSWERING,
        show_default=False,
    ),
]
Groundedness = Annotated[
    bool,
    typer.Option(
        "--groundedness",
        help="Look for words that are from no passage, such as a wrong number.",
        rich_help_panel=_ANSWERING,
    ),
]
ScoreBy = Annotated[
    ScoreKind,
    typer.Option(
        help="What sources are scored by: attention, which comes along with answering; or "
        "gradient, what each statement owes to each source, which runs the end of the text again, "
        "forwards and back, and finds more of what matters.",
        rich_help_panel=_ANSWERING,
    ),
]
ProveBy = Annotated[
    ProofKind | None,
    typer.Option(
        help="What --prove hides sources from: attention, all of it, the default; or knockout, "
        "that of what follows the passages only, for a fraction of the time.",
        rich_help_panel=_ANSWERING,
        show_default=False,
    ),
]
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
InfoModel = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help=f"Hub id, folder or GGUF file of a model, or {DEMO}.",
        show_default=False,
    ),
]
