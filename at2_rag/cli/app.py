"""The commands put together, and what happens when one fails."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from at2_rag import __version__
from at2_rag.cli.answer_log import answer_log
from at2_rag.cli.ask import ask
from at2_rag.cli.chat import chat
from at2_rag.cli.cite import cite
from at2_rag.cli.console import report_error
from at2_rag.cli.demo import demo
from at2_rag.cli.evaluate import evaluate
from at2_rag.cli.experiment import experiment
from at2_rag.cli.info import info
from at2_rag.cli.loading import EXAMPLE_MODEL
from at2_rag.cli.notes import held_notes
from at2_rag.cli.report import report
from at2_rag.cli.serve import mcp, serve
from at2_rag.cli.train import train
from at2_rag.cli.wording import in_options, is_out_of_memory
from at2_rag.errors import At2Error, ContextOverflowError, InputError

_CANNOT_ANSWER = 1
_BAD_INPUT = 2
_INTERRUPTED = 130

_EXAMPLES = f"""
[bold]Examples[/bold]

  at2-rag demo

  at2-rag ask "Who built the mill?" -p notes/ -m {EXAMPLE_MODEL}

  at2-rag ask "Who wrote it?" -p a.md b.jsonl -m ./model --prune-to 3

  at2-rag ask "Who wrote it?" -p dev.json#3 -m ./model --json > it.json

  at2-rag chat -p notes/ -m ./model

  at2-rag cite -q "Who wrote it?" --answer answer.txt -p notes/ -m ./model

  at2-rag cite log.jsonl --out audit/ -m ./model

  at2-rag report audit/ --by retriever

  at2-rag serve -m {EXAMPLE_MODEL}

  at2-rag info {EXAMPLE_MODEL}

[bold]Exit codes[/bold]

  0 fine   1 could not be answered   2 wrong command or file
"""


class _Commands(TyperGroup):
    """Turns every error into one line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with held_notes():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(_INTERRUPTED) from None
        except Exception as error:
            if ctx.params.get("debug") or _belongs_to_typer(error):
                raise
            report_error(_message(error))
            raise typer.Exit(_exit_code(error)) from error


def _belongs_to_typer(error: Exception) -> bool:
    """Whether it is a usage error, an exit, or a reader of stdout that has gone away."""
    closed = isinstance(error, OSError) and error.errno == errno.EPIPE
    return closed or isinstance(error, typer.Abort) or hasattr(error, "exit_code")


def _message(error: Exception) -> str:
    if isinstance(error, At2Error):
        return in_options(str(error))
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    if is_out_of_memory(error):
        return (
            "There is not enough memory; expected a smaller model, --dtype bfloat16, or fewer or "
            f"shorter passages. {type(error).__name__}: {error}"
        )
    return (
        f"{type(error).__name__}: {error} (this was not expected: "
        "at2-rag --debug shows where it came from)"
    )


def _exit_code(error: Exception) -> int:
    # An overflow is found only after reading, and another model or option can cure it.
    bad_input = isinstance(error, InputError | OSError) and not isinstance(
        error, ContextOverflowError
    )
    return _BAD_INPUT if bad_input else _CANNOT_ANSWER


app = typer.Typer(
    cls=_Commands,
    name="at2-rag",
    help="Answers from your passages, with citations of what the model really used.",
    epilog=_EXAMPLES,
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "ask": ask,
    "chat": chat,
    "cite": cite,
    "answer": answer_log,
    "report": report,
    "serve": serve,
    "mcp": mcp,
    "evaluate": evaluate,
    "experiment": experiment,
    "info": info,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)
app.add_typer(train, name="train")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"at2-rag {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option(envvar="AT2_DEBUG", help="Show the whole traceback of an error.")
    ] = False,
) -> None:
    """Options of every command; ``_Commands`` reads ``debug``."""
