"""``at2-rag demo --tiny``: the whole way, with a model inside this package and a made-up world."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from at2_rag.cli.console import show, spinner
from at2_rag.cli.loading import DEMO, EXAMPLE_MODEL, load_reader
from at2_rag.cli.render import hung_references, marked_answer, passage_list
from at2_rag.known_estimators import AUTO

if TYPE_CHECKING:
    from at2_rag import Answer, Pruned, Reader
    from at2_rag.worlds import WorldExample

_PASSAGES = 8
_KEEP = 3
_LONGEST = 96


def tiny_demo(seed: int, questions: int) -> None:
    """Answer questions about a made-up world, cite, prune, and answer again.

    Args:
        seed: Which worlds are made up.
        questions: How many questions to answer.
    """
    reader = load_reader(DEMO, estimator=AUTO)
    from at2_rag.worlds import generate_examples

    show(_introduction())
    examples = list(islice(generate_examples(seed, _PASSAGES, hops=2), questions))
    for number, example in enumerate(examples, start=1):
        show("", Rule(f"Question {number} of {questions}", align="left"), "")
        _answer_one(reader, example)
    show("", Rule(f"Pruning question {questions}", align="left"), "")
    _prune_one(reader, examples[-1])
    show("", Rule(align="left"), _farewell())


def _introduction() -> Text:
    return Text.assemble(
        ("The demo reader", "bold"),
        " is a tiny model that reads passages about one made-up world and knows nothing else. "
        "What its attention says it used is cited: ",
        ("sentence[1]", "bold cyan"),
        ". Its share is its part of all that the scores find used for the statement.",
    )


def _farewell() -> Text:
    command = f'at2-rag ask "YOUR QUESTION" --passages YOUR_FILES --model {EXAMPLE_MODEL}'
    return Text.assemble(
        "Your own questions need a real model, which is downloaded once:\n  ", (command, "bold")
    )


def _answer_one(reader: Reader, example: WorldExample) -> None:
    with spinner(f"reading {len(example.passages)} passages"):
        answer = reader.answer(example.question, example.passages, max_new_tokens=_LONGEST)
    numbers = range(1, len(example.passages) + 1)
    show(Text(example.question, "bold"), "", passage_list(answer, numbers), "")
    _show_answer(answer, example)


def _show_answer(answer: Answer, example: WorldExample) -> None:
    show(
        Text.assemble("→ ", marked_answer(answer)),
        "",
        hung_references(answer),
        _verdict(answer, example),
    )


def _verdict(answer: Answer, example: WorldExample) -> Text:
    """Say whether the answer is right, which only a made-up world lets us know."""
    said = answer.text.rpartition("Final answer:")[2].strip().rstrip(".")
    if said == example.final_answer:
        return Text("✓ right", "green")
    return Text(f"✗ wrong: it is {example.final_answer}", "red")


def _prune_one(reader: Reader, example: WorldExample) -> None:
    with spinner("pruning"):
        pruned = reader.prune(
            example.question, example.passages, top_k=_KEEP, max_new_tokens=_LONGEST
        )
        answer = reader.answer(example.question, pruned.passages, max_new_tokens=_LONGEST)
    show(
        Text(f"The {_KEEP} passages that the answer used most are kept, and it answers again."),
        "",
        _savings(pruned),
        "",
        Text(example.question, "bold"),
        "",
        passage_list(answer, [index + 1 for index in pruned.kept]),
        "",
    )
    _show_answer(answer, example)


def _savings(pruned: Pruned) -> Table:
    saved = pruned.saved
    table = Table.grid(padding=(0, 2))
    for justify in ("left", "right", "right"):
        table.add_column(justify=justify)
    rows = (
        ("passages", saved.passages),
        ("sentences", saved.sentences),
        ("tokens", saved.tokens),
    )
    for name, (before, after) in rows:
        less = f"{1 - after / before:.0%} less" if before else ""
        table.add_row(name, f"{before} → {after}", Text(less, "green"))
    return table
