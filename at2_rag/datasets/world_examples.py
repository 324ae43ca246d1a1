"""Examples made of generated worlds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random
from typing import Any, Literal

from at2_rag.datasets.example import TrainingExample
from at2_rag.errors import InputError
from at2_rag.worlds import WorldExample, generate_examples


def world_examples(
    seed: int,
    count: int,
    num_passages: tuple[int, int] = (4, 8),
    hops: Sequence[int | Literal["unanswerable"]] = (1, 2),
) -> list[TrainingExample]:
    """Return questions about generated worlds, for the model to answer itself.

    Args:
        seed: Which worlds and questions are drawn; the same seed gives the same examples, and a
            larger ``count`` only adds to them.
        count: How many examples to return.
        num_passages: Fewest and most passages of an example.
        hops: Which kinds of questions to draw from: by how many facts an answer needs, 1 or 2, or
            ``"unanswerable"``.

    Raises:
        InputError: If the range of passages is empty, or no kind of question is given.
    """
    fewest, most = num_passages
    if not 2 <= fewest <= most or not hops:
        raise InputError(
            f"num_passages is {num_passages} and hops is {tuple(hops)}; expected (fewest, most) "
            "with 2 <= fewest <= most, and at least one kind of question."
        )
    rng = Random(f"at2-training-{seed}")
    streams: dict[Any, Iterator[WorldExample]] = {}

    def draw(index: int) -> TrainingExample:
        kind = rng.randint(fewest, most), rng.choice(tuple(hops))
        world = next(streams.setdefault(kind, generate_examples(seed, *kind)))
        return TrainingExample(f"world-{seed}-{index}", world.question, world.passages)

    return list(islice(map(draw, range(count)), count))
