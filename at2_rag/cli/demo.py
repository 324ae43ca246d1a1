"""``at2-rag demo``: a pretrained model reads short articles, and what it says is cited."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.rule import Rule
from rich.text import Text

from at2_rag.cli import options
from at2_rag.cli.console import show, spinner
from at2_rag.cli.demo_model import pretrained_reader
from at2_rag.cli.render import marked_answer, proof_of, references, savings
from at2_rag.cli.tiny_demo import tiny_demo

if TYPE_CHECKING:
    from at2_rag import Answer, Passage, Reader

_QUESTIONS = (
    "How are the houses of Reykjavik heated?",
    "Why is the blood of an octopus blue?",
    "Where does the Danube end?",
)
#: True, and in none of the articles.
_FOREIGN = "Edmund Hillary and Tenzing Norgay climbed Mount Everest in 1953."
_KEEP = 3
#: A model that is named may have a shorter context than the demo's own.
_OPTIONS: dict[str, Any] = {"max_new_tokens": 64, "on_overflow": "drop"}


def demo(
    tiny: options.Tiny = False,
    model: options.DemoModel = None,
    questions: options.Questions = 3,
    seed: options.Seed = 0,
) -> None:
    """Answer questions about real things from short articles, cite, prune, and prove a citation."""
    reader = None if tiny else pretrained_reader(model)
    if reader is None:
        tiny_demo(seed, questions)
        return
    articles = read_articles()
    show(_introduction(reader, len(articles)))
    asked = _QUESTIONS[:questions]
    answers = [_answer(reader, question, articles) for question in asked]
    _prune(reader, asked[-1], articles)
    _show_unsupported(reader, asked[0], articles)
    _prove(reader, answers[-1])
    show("", Rule(align="left"), _farewell())


def read_articles() -> list[Passage]:
    """Read the short articles inside this package, written for it about real things."""
    from at2_rag.documents.files import read_passages

    with resources.as_file(resources.files("at2_rag") / "data" / "articles.jsonl") as path:
        return read_passages([path])


def _introduction(reader: Reader, articles: int) -> Text:
    return Text.assemble(
        (_name_of(reader), "bold"),
        f" reads {articles} short articles. What its attention says it used is cited: ",
        ("sentence[1]", "bold cyan"),
        ", with the share of all that was used.",
    )


def _name_of(reader: Reader) -> str:
    name = str(reader.model.config.name_or_path)
    return Path(name).name if Path(name).exists() else name


def _title(text: str) -> None:
    show("", Rule(text, align="left"), "")


def _answer(reader: Reader, question: str, articles: list[Passage]) -> Answer:
    with spinner(f"reading {len(articles)} articles"):
        answer = reader.answer(question, articles, **_OPTIONS)
    _title(question)
    _show_answer(answer)
    return answer


def _show_answer(answer: Answer) -> None:
    show(Text.assemble("→ ", marked_answer(answer)), "", references(answer))


def _prune(reader: Reader, question: str, articles: list[Passage]) -> None:
    with spinner("pruning"):
        pruned = reader.prune(question, articles, top_k=_KEEP, **_OPTIONS)
        answer = reader.answer(question, pruned.passages, **_OPTIONS)
    _title(f"The same, from the {_KEEP} articles that it used most")
    show(savings(pruned), "")
    _show_answer(answer)


def _show_unsupported(reader: Reader, question: str, articles: list[Passage]) -> None:
    """Show what becomes of an answer that comes from elsewhere."""
    with spinner("reading an answer"):
        answer = reader.attribute(question, articles, _FOREIGN, on_overflow="drop")
    _title("An answer from elsewhere: true, but in none of the articles")
    _show_answer(answer)


def _prove(reader: Reader, answer: Answer) -> None:
    """Show what leaving out what an answer cites does to it."""
    with spinner("leaving out what is cited"):
        evidence = reader.verify(answer)
    _title("Proof: the last answer without what it cites")
    show(proof_of(evidence))


def _farewell() -> Text:
    return Text.assemble(
        "Your own questions, with a larger model from the hub or a GGUF file:\n  ",
        ('at2-rag ask "YOUR QUESTION" -p YOUR_FILES -m MODEL', "bold"),
    )
