"""What a model is asked to find its heads: questions about made-up worlds, with answers given.

The names are random, so what is said of them can only come from the passages, and which sentence
says it is known exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from random import Random
from typing import Literal

from at2_rag.documents.passages import Passage
from at2_rag.documents.sentences import sentence_spans
from at2_rag.worlds.generate import Fact, World, generate_world

#: Counts up with whatever changes what a probe finds, so that what was kept before is not used.
PROBE_VERSION = 2

#: What is known of a statement: a passage says it; the passage that said it was taken away; it is
#: about another world; or it repeats the statement before it.
Origin = Literal["stated", "removed", "foreign", "repeated"]


@dataclass(frozen=True)
class ProbeStatement:
    """One statement of an answer that is given to the model.

    Attributes:
        text: What it says.
        origin: Whether a passage says it, or why none does.
        place: Index of the passage that says it, and the characters of the sentence in it;
            ``None`` if none does.
    """

    text: str
    origin: Origin
    place: tuple[int, int, int] | None


@dataclass(frozen=True)
class Probe:
    """A question about a world, and an answer to be read.

    Attributes:
        question: What the model is asked.
        passages: What the model sees of the world.
        statements: What the answer says, a sentence each, or a single short phrase.
    """

    question: str
    passages: tuple[Passage, ...]
    statements: tuple[ProbeStatement, ...]

    @property
    def said(self) -> str:
        """The answer as text."""
        return " ".join(statement.text for statement in self.statements)


def probes(count: int, passages: int = 8, seed: int = 0) -> list[Probe]:
    """Return probes: half with sentences as answers, half with a short phrase, as people ask both.

    Args:
        count: How many; more of them only add to the fewer.
        passages: How many passages a world has, of which one is taken away; at least 4.
        seed: Which worlds are drawn; the same seed draws the same ones on every machine.
    """
    rng = Random(f"at2-probes-1-{seed}")
    short: Iterator[Origin] = cycle(("stated", "removed", "stated", "foreign"))
    return [
        _in_sentences(rng, passages, hops=1 + index // 2 % 2)
        if index % 2 == 0
        else _phrase(rng, passages, next(short))
        for index in range(count)
    ]


def _in_sentences(rng: Random, passages: int, hops: int) -> Probe:
    """Return a question whose answer says what it goes back to, what was removed, and foreign."""
    world = generate_world(rng, passages, hops)
    example = world.questions(hops, rng)[0]
    chain = [_fact_at(world, place) for place in example.supporting_sentences]
    gone = _other_passage(rng, world, {fact.passage for fact in chain})
    other = rng.choice([fact for fact in world.facts if fact.passage == gone])
    foreign = rng.choice(generate_world(rng, passages).facts)
    said = [
        *(_stated(world, fact, _sentence_of(fact), gone) for fact in chain),
        ProbeStatement(f"So the answer is {example.final_answer}.", "repeated", None),
        ProbeStatement(_sentence_of(other), "removed", None),
        ProbeStatement(_sentence_of(foreign), "foreign", None),
    ]
    return Probe(example.question, _without(world.passages, gone), tuple(said))


def _phrase(rng: Random, passages: int, origin: Origin) -> Probe:
    """Return a question whose answer is the short phrase that was asked for."""
    world = generate_world(rng, passages)
    example = world.questions(1, rng)[0]
    fact = _fact_at(world, example.supporting_sentences[0])
    gone = fact.passage if origin == "removed" else _other_passage(rng, world, {fact.passage})
    said = fact
    if origin == "foreign":
        said = rng.choice(generate_world(rng, passages).facts)
    text = f"{said.object[0].upper()}{said.object[1:]}."
    if origin == "stated":
        statement = _stated(world, fact, text, gone)
    else:
        statement = ProbeStatement(text, origin, None)
    return Probe(example.question, _without(world.passages, gone), (statement,))


def _fact_at(world: World, place: tuple[int, int]) -> Fact:
    return next(fact for fact in world.facts if (fact.passage, fact.sentence) == place)


def _sentence_of(fact: Fact) -> str:
    """Return a fact in the wording of answers, which is often not the passage's."""
    return fact.relation.answer.format(s=fact.subject, o=fact.object)


def _other_passage(rng: Random, world: World, needed: set[int]) -> int:
    """Return a passage that states something and is not among those needed."""
    return rng.choice(sorted({fact.passage for fact in world.facts} - needed))


def _without(passages: tuple[Passage, ...], gone: int) -> tuple[Passage, ...]:
    return tuple(passage for index, passage in enumerate(passages) if index != gone)


def _stated(world: World, fact: Fact, text: str, gone: int) -> ProbeStatement:
    """Return a statement of a fact that a passage states which is not the one taken away."""
    passage = fact.passage - (fact.passage > gone)
    start, end = sentence_spans(world.passages[fact.passage].text)[fact.sentence]
    return ProbeStatement(text, "stated", (passage, start, end))
