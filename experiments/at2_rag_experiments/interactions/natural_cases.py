"""Questions about generated worlds whose answers stand in two places, or need two sentences."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal

import torch
from at2_rag.ablation.task import AttributionTask
from at2_rag.answer.answer import Answer
from at2_rag.documents.passages import Passage
from at2_rag.evaluation.metrics import EvaluationData, linear_datamodeling_score, top_k_drops
from at2_rag.methods import AttributionMethod
from at2_rag.methods.base import checked_scores
from at2_rag.reader import Reader
from at2_rag.worlds import HELD_OUT_SEED, WorldExample
from at2_rag.worlds.generate import World, generate_world

from at2_rag_experiments.base import Record
from at2_rag_experiments.stated import sources_by_sentence

#: ``or``: the answer stands in two passages; ``and``: it needs two sentences.
CaseKind = Literal["or", "and"]

#: Of the top-k drops.
KS = (1, 2)


@dataclass(frozen=True)
class NaturalCase:
    """A question about a world, and the two sentences that the answer is in or takes.

    Attributes:
        id: Name that is unique among cases.
        kind: How the answer depends on the two sentences.
        question: The question that is asked.
        passages: The passages that it is answered from.
        needed: (passage index, sentence index) of both sentences.
        said: What the first sentence of a right answer says.
    """

    id: str
    kind: CaseKind
    question: str
    passages: tuple[Passage, ...]
    needed: tuple[tuple[int, int], tuple[int, int]]
    said: str

    @property
    def fingerprint(self) -> str:
        """A hash of everything in it."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


def natural_case(kind: CaseKind, index: int, seed: int, num_passages: int) -> NaturalCase:
    """Return a case; for ``or`` it has one passage more, which tells the fact once again.

    Args:
        kind: How the answer depends on the two sentences.
        index: Which case of this kind; another index gives another one.
        seed: What the worlds are drawn with.
        num_passages: Passages of the world.
    """
    rng = Random(f"at2-natural-{kind}-{HELD_OUT_SEED + seed}-{index}")
    world = generate_world(rng, num_passages, 1 if kind == "or" else 2)
    # Any world has facts, and one that was drawn for two hops has a question of two.
    example = world.questions(1 if kind == "or" else 2, rng)[0]
    if kind == "or":
        passages, needed = _told_again(world, example, rng)
    else:
        first, second = example.supporting_sentences
        passages, needed = example.passages, (first, second)
    said = example.answer.partition(". ")[0] + "."
    name = f"natural-{kind}-{seed}-{index}"
    return NaturalCase(name, kind, example.question, passages, needed, said)


def _told_again(
    world: World, example: WorldExample, rng: Random
) -> tuple[tuple[Passage, ...], tuple[tuple[int, int], tuple[int, int]]]:
    """Return the passages with one more among them, and where the two sentences stand.

    It has the subject's name for a title, as the first has, and tells the fact in other words
    than the first, where there are any that name the subject.
    """
    (passage, place) = example.supporting_sentences[0]
    fact = next(f for f in world.facts if (f.passage, f.sentence) == (passage, place))
    naming = [w for w in (*fact.relation.opening, *fact.relation.later) if "{s}" in w]
    wordings = [w.format(s=fact.subject, o=fact.object) for w in naming]
    others = [w for w in wordings if w not in world.passages[passage].text]
    again = Passage(rng.choice(others or wordings), title=fact.subject)
    at = rng.randint(0, len(world.passages))
    passages = (*world.passages[:at], again, *world.passages[at:])
    return passages, ((passage + (at <= passage), place), (at, 0))


def measure_case(
    reader: Reader,
    case: NaturalCase,
    methods: list[AttributionMethod],
    num_ablations: int,
    seed: int,
    options: Mapping[str, Any],
) -> Record:
    """Return what single sentences and both do, what methods score, and what citations prove.

    Of an answer that stands in two places its first statement is measured; of one that takes two
    sentences the whole, since its later statements rest on the earlier ones.

    Args:
        reader: The reader that answers.
        case: The case to measure.
        methods: The methods to measure.
        num_ablations: Random ablations, for the linear datamodeling score.
        seed: What ablations are drawn with.
        options: Settings and options of generation, as for ``reader.task``.
    """
    whole = reader.task(case.question, case.passages, **options)
    record: Record = {"kind": case.kind, "right": case.said in whole.answer.text}
    if not whole.targets:
        return {**record, "methods": {}}
    end = len(whole.ids) - whole.prompt_length
    task = replace(whole, targets=(whole.targets[0] if case.kind == "or" else (0, end),))
    by_sentence = sources_by_sentence(whole.answer.attribution.sources)
    needed = [by_sentence[place] for place in case.needed]
    data = EvaluationData.collect(task, num_ablations, seed)
    record |= _effects(task, needed)
    record["methods"] = {}
    for method in methods:
        scores = checked_scores(method, task)
        order = scores[0].argsort(descending=True, stable=True).tolist()
        record["methods"][method.name] = {
            "lds": float(linear_datamodeling_score(scores, data)[0]),
            "drops": top_k_drops(task, scores, KS, data.whole)[0].tolist(),
            "found": set(order[:2]) == set(needed),
            "first": order[0] in needed,
        }
    return record | _proof(reader, case, whole.answer, needed)


def _effects(task: AttributionTask, needed: list[int]) -> Record:
    """Return falls in nats: without either of the two sources alone, and without both."""
    masks = torch.ones(4, len(task.sources), dtype=torch.bool)
    for row, left_out in enumerate(([], needed[:1], needed[1:], needed)):
        masks[row, left_out] = False
    log_p = task.ablator().ablate(masks).log_probability(*task.targets[0])
    first, second, both = (log_p[0] - log_p[1:]).tolist()
    return {"alone": [first, second], "together": both}


def _proof(reader: Reader, case: NaturalCase, answer: Answer, needed: list[int]) -> Record:
    """Return how many of the two are cited, and what verifying the citations shows, in nats.

    By the first statement of an answer that stands in two places, and by any of the others'.
    """
    sources = answer.attribution.sources
    spans = {(sources[i].passage_index, sources[i].start, sources[i].end) for i in needed}
    verified = reader.verify(answer).statements
    judged = verified[:1] if case.kind == "or" else verified
    citations = [c for found in judged for c in found.statement.citations]
    together = [found.together.drop for found in judged if found.together is not None]
    return {
        "cited": len(spans & {(c.passage_index, c.source_start, c.source_end) for c in citations}),
        "proved_alone": max((e.drop for found in judged for e in found.alone), default=0.0),
        "proved_together": max(together, default=0.0),
    }
