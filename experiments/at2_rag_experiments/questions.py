"""Questions whose answer and supporting passages are known: of worlds, HotpotQA or a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from at2_rag.datasets.registry import CONTEXT_DATASETS
from at2_rag.datasets.rows import Row
from at2_rag.datasets.sampling import Selection
from at2_rag.datasets.tables import parsed_rows
from at2_rag.documents.passages import Passage
from at2_rag.errors import InputError
from at2_rag.worlds import HELD_OUT_SEED, generate_examples

from at2_rag_experiments.base import WORLDS
from at2_rag_experiments.gold_question import GoldQuestion
from at2_rag_experiments.question_files import in_drawn_order, is_question_file, read_questions

_HOTPOT = "hotpot_qa"


def gold_questions(
    data: str, count: int, seed: int, num_passages: int = 10, hops: int = 2
) -> list[GoldQuestion]:
    """Return questions from generated worlds, from HotpotQA, or from a file of questions.

    Args:
        data: What they are about: ``"worlds"``; ``"hotpot_qa"`` for the validation split, from the
            hub; ``"hotpot_qa=FILE"`` for a file of its rows; or a ``.jsonl`` file as
            :func:`read_questions` reads it. HotpotQA's rows whose context has a ``score`` for each
            passage bring the retriever's scores along.
        count: How many questions at most.
        seed: What worlds, or the order of rows, are drawn with; another seed gives other questions.
        num_passages: Passages of each question about a world.
        hops: Facts that a question about a world takes, 1 or 2.

    Raises:
        InputError: If there is no such data.
        FileFormatError: If a file cannot be read or a row is bad; with its place.
        MissingResourceError: If the hub does not give the data.
    """
    if data == WORLDS:
        return list(islice(_worlds(seed, num_passages, hops), count))
    if is_question_file(data):
        return in_drawn_order(read_questions(data), seed)[:count]
    name, _, file = data.partition("=")
    if name != _HOTPOT:
        raise InputError(
            f"data is {data!r}; expected {WORLDS}, {_HOTPOT}, {_HOTPOT}=FILE or FILE.jsonl: the "
            "right answers and the supporting passages have to be known."
        )
    selection = Selection("validation", seed, Path(file) if file else None, None, {})
    rows = selection.rows(CONTEXT_DATASETS[_HOTPOT])
    found = list(islice(parsed_rows(rows, _HOTPOT, _parse_hotpot), count))
    if not found:
        raise InputError(f"{data} holds no question with an answer and passages; check the file.")
    return found


def _worlds(seed: int, num_passages: int, hops: int) -> Iterator[GoldQuestion]:
    worlds = generate_examples(HELD_OUT_SEED + seed, num_passages, hops)
    for index, world in enumerate(worlds):
        yield GoldQuestion(
            f"world-{seed}-{index}",
            world.question,
            world.passages,
            world.final_answer,
            tuple(sorted(set(world.supporting_passages))),
        )


def _parse_hotpot(row: Row) -> GoldQuestion | None:
    """Return a row's question, or ``None`` if there is nothing to read or to compare with."""
    records = row.records("context")
    texts = ["".join(record.texts("sentences")).strip() for record in records]
    titles = [record.text("title") for record in records]
    shown = [index for index, text in enumerate(texts) if text]
    question, answer = row.text("question"), row.text("answer")
    if not (shown and question.strip() and answer.strip()):
        return None
    wanted = set(row.inside("supporting_facts").texts("title"))
    supporting = tuple(place for place, i in enumerate(shown) if titles[i] in wanted)
    if not supporting:
        return None
    return GoldQuestion(
        row.id("id"),
        question,
        tuple(Passage(texts[i], title=titles[i]) for i in shown),
        answer,
        supporting,
        _retrieval_scores([records[i] for i in shown]),
    )


def _retrieval_scores(records: Sequence[Row]) -> tuple[float, ...] | None:
    scores: list[float] = []
    for record in records:
        score = record.fields.get("score")
        if isinstance(score, bool) or not isinstance(score, int | float):
            return None
        scores.append(float(score))
    return tuple(scores)
