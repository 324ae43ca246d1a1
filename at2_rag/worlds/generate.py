"""Made-up worlds: passages, questions that need them, and which sentences hold the answer.

Everything is drawn from a seed, without end. The names are random, so an answer can only be
read in the passages; which sentences it depends on is known exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

from at2_rag.documents.passages import Passage
from at2_rag.worlds import schema
from at2_rag.worlds.names import Namer
from at2_rag.worlds.relations import RELATIONS, Relation

#: An entity that a passage speaks of is reused as an object with this probability.
_LINK_PROBABILITY = 0.5
_FACTS_PER_PASSAGE = (2, 4)

#: Far from the seeds that anybody trains with, so that worlds from here on are new to a model.
HELD_OUT_SEED = 2_000_000


@dataclass(frozen=True)
class Fact:
    """One sentence of a world.

    Attributes:
        subject: Name of the entity that the fact is about.
        relation: What the fact says of the subject.
        object: Name of the entity, or the literal, that the fact names; empty if no passage states
            it.
        passage: Index of the passage about the subject.
        sentence: Index within the passage of the sentence that states the fact; -1 if none does.
    """

    subject: str
    relation: Relation
    object: str
    passage: int
    sentence: int


@dataclass(frozen=True)
class WorldExample:
    """A question about a world, with its answer and where the answer stands.

    Attributes:
        question: What is asked about the world.
        passages: All passages of the world, the needed ones among distractors.
        answer: The full answer, one sentence a hop, then ``Final answer: …``.
        final_answer: The short answer alone; ``unknown`` where the passages do not say.
        supporting_passages: Indices of the needed passages, in the order of the hops.
        supporting_sentences: (passage index, sentence index) of each needed sentence.
    """

    question: str
    passages: tuple[Passage, ...]
    answer: str
    final_answer: str
    supporting_passages: tuple[int, ...]
    supporting_sentences: tuple[tuple[int, int], ...]

    @property
    def hops(self) -> int:
        """How many facts the answer needs."""
        return len(self.supporting_sentences)

    @property
    def supported_only(self) -> WorldExample:
        """The same question with nothing but the needed passages, in their order of appearance."""
        kept = sorted(set(self.supporting_passages))
        moved = {old: new for new, old in enumerate(kept)}
        return WorldExample(
            self.question,
            tuple(self.passages[i] for i in kept),
            self.answer,
            self.final_answer,
            tuple(moved[i] for i in self.supporting_passages),
            tuple((moved[i], s) for i, s in self.supporting_sentences),
        )


@dataclass(frozen=True)
class World:
    """Passages about made-up entities and the facts they state.

    Attributes:
        passages: One passage per entity.
        facts: Every fact that a passage states.
        hidden: Facts that no passage states, for questions that cannot be answered.
    """

    passages: tuple[Passage, ...]
    facts: tuple[Fact, ...]
    hidden: tuple[Fact, ...]

    def questions(self, hops: int, rng: Random) -> list[WorldExample]:
        """Return every question of ``hops`` (1 or 2) facts, worded at random, in random order."""
        chains = [(f,) for f in self.facts] if hops == 1 else self._two_hop_chains()
        rng.shuffle(chains)
        return [self._ask(chain, rng) for chain in chains]

    def unanswerable(self, rng: Random) -> list[WorldExample]:
        """Return one-hop questions about the world's entities that no passage answers."""
        facts = rng.sample(self.hidden, len(self.hidden))
        return [self._ask_in_vain(fact, rng) for fact in facts]

    def _two_hop_chains(self) -> list[tuple[Fact, ...]]:
        by_subject: dict[str, list[Fact]] = {}
        for fact in self.facts:
            by_subject.setdefault(fact.subject, []).append(fact)
        return [
            (first, second)
            for first in self.facts
            if first.relation.noun
            for second in by_subject.get(first.object, ())
            if second.object != first.subject
        ]

    def _ask(self, chain: tuple[Fact, ...], rng: Random) -> WorldExample:
        subject = chain[0].subject
        for fact in chain[:-1]:
            subject = rng.choice(fact.relation.noun).format(s=subject)
        question = rng.choice(chain[-1].relation.questions).format(s=subject)
        said = [f.relation.answer.format(s=f.subject, o=f.object) for f in chain]
        final = chain[-1].object
        return WorldExample(
            question,
            self.passages,
            " ".join([*said, f"Final answer: {final}"]),
            final,
            tuple(f.passage for f in chain),
            tuple((f.passage, f.sentence) for f in chain),
        )

    def _ask_in_vain(self, fact: Fact, rng: Random) -> WorldExample:
        question = rng.choice(fact.relation.questions).format(s=fact.subject)
        answer = f"{schema.UNKNOWN} Final answer: unknown"
        return WorldExample(question, self.passages, answer, "unknown", (), ())


@dataclass
class _Entity:
    kind: str
    name: str


class _WorldBuilder:
    """Draws one world; used once."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._namer = Namer(rng)
        self._entities: list[_Entity] = []
        self._fixed: dict[tuple[str, str], str] = {}

    def build(self, num_passages: int, first_hops: int) -> World:
        """Draw a world in which a question of ``first_hops`` facts can be asked."""
        if first_hops == 2:
            self._add_chain()
        while len(self._entities) < num_passages:
            self._add_entity(self._rng.choice(tuple(RELATIONS)))
        self._rng.shuffle(self._entities)
        passages, facts, hidden = [], [], []
        for index, entity in enumerate(self._entities):
            passage, stated, unstated = self._describe(entity, index)
            passages.append(passage)
            facts += stated
            hidden += unstated
        return World(tuple(passages), tuple(facts), tuple(hidden))

    def _add_chain(self) -> None:
        kind = self._rng.choice(tuple(RELATIONS))
        links = [r for r in RELATIONS[kind] if r.noun]
        link = self._rng.choice(links)
        first, second = self._add_entity(kind), self._add_entity(link.object_kind)
        self._fixed[first.name, link.name] = second.name

    def _add_entity(self, kind: str) -> _Entity:
        entity = _Entity(kind, self._new_name(kind))
        self._entities.append(entity)
        return entity

    def _new_name(self, kind: str) -> str:
        rng, word = self._rng, self._namer.word
        match kind:
            case "person":
                return self._namer.person()
            case "film":
                return f"The {word()} {rng.choice(schema.FILM_NOUNS)}"
            case "book":
                return f"The {word()} {rng.choice(schema.BOOK_NOUNS)}"
            case "company":
                return f"{word()} {rng.choice(schema.COMPANY_NOUNS)}"
            case "school":
                return f"{word()} {rng.choice(schema.SCHOOL_NOUNS)}"
            case "river":
                return f"{word()} River"
            case _:
                return word()

    def _object(self, entity: _Entity, relation: Relation) -> str:
        if fixed := self._fixed.get((entity.name, relation.name)):
            return fixed
        literals = {
            "job": schema.JOBS,
            "instrument": schema.INSTRUMENTS,
            "genre": schema.GENRES,
            "product": schema.PRODUCTS,
            "subject": schema.SUBJECTS,
        }
        kind = relation.object_kind
        if kind == "year":
            return str(self._rng.randint(schema.FIRST_YEAR, schema.LAST_YEAR))
        if kind in literals:
            return self._rng.choice(literals[kind])
        known = [e.name for e in self._entities if e.kind == kind and e.name != entity.name]
        if known and self._rng.random() < _LINK_PROBABILITY:
            return self._rng.choice(known)
        return self._new_name(kind)

    def _describe(self, entity: _Entity, index: int) -> tuple[Passage, list[Fact], list[Fact]]:
        rng = self._rng
        relations = rng.sample(RELATIONS[entity.kind], len(RELATIONS[entity.kind]))
        # A fact that a question was promised for comes first, so that the cut below keeps it.
        relations.sort(key=lambda r: (entity.name, r.name) not in self._fixed)
        count = rng.randint(*_FACTS_PER_PASSAGE)
        stated, unstated = relations[:count], relations[count:]
        rng.shuffle(stated)
        pronoun = rng.choice(schema.PRONOUNS[entity.kind])
        sentences, facts = [], []
        for position, relation in enumerate(stated):
            wording = rng.choice(relation.opening if position == 0 else relation.later)
            subject = entity.name if position == 0 or rng.random() < 0.5 else pronoun
            value = self._object(entity, relation)
            sentences.append(wording.format(s=subject, o=value))
            facts.append(Fact(entity.name, relation, value, index, position))
        hidden = [Fact(entity.name, r, "", index, -1) for r in unstated]
        return Passage(" ".join(sentences), title=entity.name), facts, hidden


def generate_world(rng: Random, num_passages: int, hops: int = 1) -> World:
    """Draw a world of ``num_passages`` passages in which a question of ``hops`` facts exists.

    Raises:
        ValueError: If ``hops`` is not 1 or 2, or there are fewer passages than hops.
    """
    if hops not in (1, 2):
        raise ValueError(f"hops is {hops}; expected 1 or 2.")
    if num_passages < hops:
        raise ValueError(
            f"num_passages is {num_passages}; expected at least {hops} for {hops} hops."
        )
    return _WorldBuilder(rng).build(num_passages, hops)


def generate_examples(
    seed: int, num_passages: int, hops: int | Literal["unanswerable"] = 2
) -> Iterator[WorldExample]:
    """Yield examples without end, each from a world of its own.

    Args:
        seed: Which worlds are drawn; the same seed yields the same examples on every machine.
        num_passages: How many passages each example has, the needed ones among them.
        hops: How many facts an answer needs, 1 or 2, or ``"unanswerable"``.
    """
    rng = Random(f"at2-worlds-{seed}-{num_passages}-{hops}")
    while True:
        if hops == "unanswerable":
            examples = generate_world(rng, num_passages).unanswerable(rng)
        else:
            examples = generate_world(rng, num_passages, hops).questions(hops, rng)
        if examples:
            yield examples[0]
