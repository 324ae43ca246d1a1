"""Examples to train on and to measure on, which never overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from at2_rag.datasets import load
from at2_rag.datasets.example import TrainingExample
from at2_rag.datasets.example_files import read_examples
from at2_rag.datasets.world_examples import world_examples
from at2_rag.errors import InputError
from at2_rag.worlds import HELD_OUT_SEED

from at2_rag_experiments.base import WORLDS
from at2_rag_experiments.question_files import in_drawn_order, is_question_file

#: Apart from the seeds that the demo reader and its estimators were trained with, and from those
#: of what is measured on.
_TRAINING_SEED = 3_000_000

Purpose = Literal["training", "measuring"]


def examples_for(
    purpose: Purpose,
    data: str,
    count: int,
    seed: int,
    *,
    num_passages: tuple[int, int] = (4, 8),
    hops: Sequence[int] = (1, 2),
    passages_needed: bool = True,
    whole: bool = False,
) -> list[TrainingExample]:
    """Return examples of generated worlds, or of a data set's split for this purpose.

    Args:
        purpose: What they are for: the training split for the one, the validation split for the
            other.
        data: What they are about: ``"worlds"``, the name of a data set, ``NAME=FILE`` for a file of
            its rows, or a ``.jsonl`` file of examples. A file has no splits: training takes from
            its second half, measuring from its first.
        count: How many at most; more of them add to the fewer.
        seed: What worlds, or the order of rows, are drawn with.
        num_passages: Fewest and most passages of an example about a world.
        hops: Facts that a question about a world may take.
        passages_needed: Whether to leave out examples without a passage.
        whole: Whether all of a file serves this purpose, since other data serve the other.

    Raises:
        InputError: If there is no such data, or too little of it.
        FileFormatError: If a file cannot be read or a row is bad; with its place.
        MissingResourceError: If the hub does not give the data.
    """
    if data == WORLDS:
        first = _TRAINING_SEED if purpose == "training" else HELD_OUT_SEED
        return world_examples(first + seed, count, num_passages, hops)
    if is_question_file(data):
        examples = in_drawn_order(read_examples(data), seed)
        return (examples if whole else _half(examples, purpose, data))[:count]
    name, _, file = data.partition("=")
    if not file:
        split = "train" if purpose == "training" else "validation"
        return load(name, split, limit=count, seed=seed, passages_needed=passages_needed)
    found = load(name, seed=seed, path=file, passages_needed=passages_needed)
    return (found if whole else _half(found, purpose, data))[:count]


def _half(found: list[Any], purpose: Purpose, data: str) -> list[Any]:
    middle = (len(found) + 1) // 2
    half = found[middle:] if purpose == "training" else found[:middle]
    if not half:
        raise InputError(f"{data} holds {len(found)} example(s); expected at least 2.")
    return half
