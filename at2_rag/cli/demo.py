"""``at2-rag demo``: a pretrained model reads short articles, and what it says is cited."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.rule import Rule
from rich.text import Text

from at2_rag.cli import options
from at2_rag.cli.console import show, spinner
from at2_rag.cli.demo_model import pretrained_reader
from at2_rag.cli.render import hung_references, marked_answer, proof_of
from at2_rag.cli.tiny_demo import tiny_demo
from at2_rag.documents.articles import QUESTIONS, read_articles

if TYPE_CHECKING:
    from at2_rag import Answer, Passage, Reader

#: An answer to the second question, which no model gave; an article says its first half.
_GIVEN = "The axolotl comes from lakes near Mexico City. It is the national animal of Peru."
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
    *others, last = QUESTIONS[:questions]
    answers = [_answer(reader, question, articles) for question in others]
    answers.append(_answer_twice(reader, last, articles))
    _show_unsupported(reader, articles)
    _prove(reader, answers[0])
    show("", Rule(align="left"), _farewell())


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
    _show(question, answer)
    return answer


def _answer_twice(reader: Reader, question: str, articles: list[Passage]) -> Answer:
    """Show an answer, and another one from the articles that it used most; return the latter."""
    with spinner(f"reading {len(articles)} articles, and {_KEEP} of them again"):
        answer = reader.answer(question, articles, prune_to=_KEEP, **_OPTIONS)
    draft = answer.draft or answer
    _show(question, draft)
    less = 1 - answer.prompt_tokens / draft.prompt_tokens
    _show(f"Pruned to the {_KEEP} articles that it used most: {less:.0%} less to read", answer)
    return answer


def _show(title: str, answer: Answer) -> None:
    _title(title)
    show(Text.assemble("→ ", marked_answer(answer)), "", hung_references(answer))


def _show_unsupported(reader: Reader, articles: list[Passage]) -> None:
    """Show what becomes of an answer that the articles support in part."""
    with spinner("reading an answer"):
        answer = reader.attribute(QUESTIONS[1], articles, _GIVEN, on_overflow="drop")
    _show("An answer from elsewhere, of which the articles say the first half", answer)


def _prove(reader: Reader, answer: Answer) -> None:
    """Show what leaving out what an answer cites does to it."""
    with spinner("leaving out what is cited"):
        evidence = reader.verify(answer)
    _title("Proof: the first answer without what it cites")
    show(proof_of(evidence))


def _farewell() -> Text:
    return Text.assemble(
        "Your own questions, with a larger model from the hub or a GGUF file:\n  ",
        ('at2-rag ask "YOUR QUESTION" -p YOUR_FILES -m MODEL', "bold"),
    )
