"""``at2-rag chat``: further questions to the same model about the same passages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

import typer

from at2_rag.cli import options
from at2_rag.cli.chat_commands import Quit, run_command
from at2_rag.cli.console import note, note_now, report_error, show
from at2_rag.cli.gathering import read_files
from at2_rag.cli.loading import (
    load_reader,
    note_demo_reader,
    prompt_setting,
    proof_settings,
    score_setting,
)
from at2_rag.cli.notes import release_notes
from at2_rag.cli.showing import counted
from at2_rag.cli.talk import Talk
from at2_rag.cli.wording import in_options
from at2_rag.errors import At2Error
from at2_rag.known_estimators import AUTO

_PROMPT = "> "


def chat(
    more_files: options.MoreFiles = None,
    passages: options.Files = None,
    model: options.Model = None,
    estimator: options.Estimator = AUTO,
    source_unit: options.Unit = options.SourceUnit.sentence,
    max_new_tokens: options.MaxNewTokens = 256,
    max_citations: options.MaxCitations = 3,
    on_overflow: options.Overflow = options.OnOverflow.error,
    max_passages: options.MaxPassages = 20,
    system: options.System = None,
    language: options.Language = "english",
    prompt: options.Prompt = None,
    dtype: options.DtypeOption = options.Dtype.auto,
    device: options.Device = "auto",
    score_by: options.ScoreBy = options.ScoreKind.attention,
    prove: options.Prove = None,
    prove_by: options.ProveBy = None,
    groundedness: options.Groundedness = False,
) -> None:
    """Answer questions from files, one after the other; the model is loaded once.

    A question may go back to those before it. /help lists what else can be typed.

    Ctrl-C stops an answer, Ctrl-D ends.

    From a pipe, each line is a question, and the exit code is 1 if one could not be answered.
    """
    asked = prompt_setting(prompt)
    read = read_files([*(passages or []), *(more_files or [])])
    note_demo_reader(model)
    reader = load_reader(model, dtype=dtype.value, device=device, estimator=estimator, **asked)
    settings = {
        "source_unit": source_unit.value,
        "max_new_tokens": max_new_tokens,
        "max_citations": max_citations,
        "on_overflow": on_overflow.value,
        "system": system,
        "language": language,
        **score_setting(score_by),
        **proof_settings(prove, prove_by),
        "groundedness": groundedness,
    }
    note(f"{counted(len(read), 'passage')} read; /help lists commands, Ctrl-D ends")
    release_notes()
    failed = _go_on(Talk(reader, read, max_passages, settings))
    if failed and not sys.stdin.isatty():
        raise typer.Exit(1)


def _go_on(talk: Talk) -> int:
    """Answer what is typed until it ends, and return how many questions could not be answered."""
    failed = 0
    for line in _lines():
        try:
            if not run_command(line, talk):
                talk.ask(line)
            show("")
        except Quit:
            break
        except At2Error as error:
            failed += 1
            report_error(in_options(str(error)))
        except KeyboardInterrupt:
            note_now("stopped; Ctrl-D ends")
    return failed


def _lines() -> Iterator[str]:
    """Yield what is typed, or comes from a pipe, without blank lines."""
    for line in _typed() if sys.stdin.isatty() else iter(sys.stdin.readline, ""):
        if line.strip():
            yield line.strip()


def _typed() -> Iterator[str]:
    """Yield lines from a terminal, with the keys that people know from their shell."""
    if find_spec("readline"):
        import_module("readline")  # input() is better for it
    while True:
        try:
            yield _input()
        except EOFError:
            sys.stderr.write("\n")
            return
        except KeyboardInterrupt:
            sys.stderr.write("\n")


def _input() -> str:
    if sys.stdout.isatty():
        return input(_PROMPT)
    sys.stderr.write(_PROMPT)  # or it would be among the answers
    sys.stderr.flush()
    return input()
