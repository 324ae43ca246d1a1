"""Questions about worlds of which it is known which sentence states what the answer says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, product

from at2_rag.ablation.task import AttributionTask
from at2_rag.documents.sentences import sentence_spans
from at2_rag.documents.sources import Source
from at2_rag.training import TrainingExample
from at2_rag.worlds import HELD_OUT_SEED, WorldExample, generate_examples

from at2_rag_experiments.base import WORLDS, ExperimentConfig

_HOPS = (1, 2)


@dataclass(frozen=True)
class Asked:
    """A question, and its world where there is one.

    Attributes:
        example: The question itself.
        world: The world, with the right answer and where it stands; ``None`` for other data.
    """

    example: TrainingExample
    world: WorldExample | None = None

    @property
    def id(self) -> str:
        """Name of the example."""
        return self.example.id

    @property
    def fingerprint(self) -> str:
        """Hash of the example; the world follows from it."""
        return self.example.fingerprint


def with_worlds(examples: Sequence[TrainingExample], seed: int) -> list[Asked]:
    """Return examples with the worlds that they were drawn from.

    Args:
        examples: Examples of :func:`at2_rag.training.world_examples`, of one or two hops.
        seed: Seed that they were drawn with.

    Raises:
        KeyError: If they were drawn otherwise.
    """
    sizes = sorted({len(example.passages) for example in examples})
    worlds = {
        (world.question, world.passages): world
        for kind in product(sizes, _HOPS)
        for world in islice(generate_examples(seed, *kind), len(examples))
    }
    return [Asked(e, worlds[e.question, e.passages]) for e in examples]


def asked_of(examples: Sequence[TrainingExample], config: ExperimentConfig) -> list[Asked]:
    """Return examples to measure on, with their worlds where they are about generated ones.

    Args:
        examples: Examples for measuring, from ``examples_for`` with the config's data and seed.
        config: What the experiment was told.
    """
    if config.data == WORLDS:
        return with_worlds(examples, HELD_OUT_SEED + config.seed)
    return [Asked(example) for example in examples]


def sources_by_sentence(sources: Sequence[Source]) -> dict[tuple[int, int], int]:
    """Return the index of each source that is a sentence, by (passage index, sentence index).

    Args:
        sources: Sources that are sentences, those of a passage in their order.
    """
    counts: Counter[int] = Counter()
    places: dict[tuple[int, int], int] = {}
    for index, source in enumerate(sources):
        places[source.passage_index, counts[source.passage_index]] = index
        counts[source.passage_index] += 1
    return places


def stating_sources(task: AttributionTask, world: WorldExample) -> list[int | None]:
    """Return, for each target, the index of the source that states it.

    ``None`` for a statement that is not what the right answer says, word for word, and for the
    final answer, which states nothing new.

    Args:
        task: A task with sentences as sources and statements as targets.
        world: The world that the question is about.
    """
    places = sources_by_sentence(task.answer.attribution.sources)
    said = [world.answer[start:end] for start, end in sentence_spans(world.answer)]
    stated = dict(zip(said, world.supporting_sentences, strict=False))
    found = (stated.get(statement.text) for statement in task.answer.statements)
    return [None if place is None else places.get(place) for place in found]
