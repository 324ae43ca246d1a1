"""How it is answered, and how well that is cited."""

from __future__ import annotations

from typing import Annotated

import typer

from at2_rag.cli.options.choices import ProofKind, RankKind, ScoreKind, SourceUnit
from at2_rag.documents.sentences import ENGLISH, load_punkt
from at2_rag.errors import MissingResourceError

_ANSWERING = "Answering"

PruneTo = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="K",
        help="Rank the passages, by a first answer or --rank-by question, and answer from the best "
        "K.",
        rich_help_panel=_ANSWERING,
        show_default=False,
    ),
]
RankBy = Annotated[
    RankKind,
    typer.Option(
        help="What --prune-to goes by: draft, what a first answer used; or question, what the "
        "question looks at, which takes no first answer.",
        rich_help_panel=_ANSWERING,
    ),
]


def _installed(language: str) -> str:
    """Refuse a language whose sentences cannot be found here, before a model is loaded."""
    if language != ENGLISH:
        try:
            load_punkt(language)
        except MissingResourceError as error:
            raise typer.BadParameter(str(error)) from error
    return language


Language = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        callback=_installed,
        help="Language whose abbreviations are known where sentences end: english, or one of "
        "nltk's data that is installed, such as german.",
        rich_help_panel=_ANSWERING,
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
