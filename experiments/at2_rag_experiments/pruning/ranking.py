"""Passages put in order, most worth keeping first, by every method that is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any

from at2_rag.ablation.task import AttributionTask
from at2_rag.answer.answer import Answer
from at2_rag.documents.bm25 import order_by_bm25
from at2_rag.documents.passages import Passage
from at2_rag.methods import AttentionMethod, method_by_name
from at2_rag.methods.base import checked_scores
from at2_rag.reader import Reader

from at2_rag_experiments.base import Record
from at2_rag_experiments.gold_question import GoldQuestion
from at2_rag_experiments.similarity import similarities

#: Methods that need no model to rank passages.
WITHOUT_READING = ("oracle", "random", "bm25", "minilm", "retrieval")
#: What the question looks at, before anything is answered.
QUESTION = "question"
#: Methods that need no answer to rank passages.
WITHOUT_DRAFT = (*WITHOUT_READING, QUESTION)


@dataclass(frozen=True)
class Ranking:
    """One method's order of the passages of one question.

    Attributes:
        order: Indices of all passages, most worth keeping first.
        scores: Score of each passage, by index; ``None`` for an order without scores.
        passes: Forward passes that scoring took, beside those that wrote the answer.
    """

    order: tuple[int, ...]
    scores: tuple[float, ...] | None
    passes: float

    def to_dict(self) -> Record:
        """Return plain JSON types."""
        return asdict(self)

    def kept(self, count: int) -> tuple[int, ...]:
        """Return the first ``count`` passages, in the order that the caller has them."""
        return tuple(sorted(self.order[:count]))


def rank_unread(name: str, question: GoldQuestion, seed: int) -> Ranking:
    """Rank without asking the model; ``name`` is one of :data:`WITHOUT_READING`.

    The oracle puts the supporting passages first; within them, and within the others, the order is
    the retriever's where its scores are known, and BM25's where they are not.

    Raises:
        MissingExtraError: If the model that ``minilm`` asks is not installed.
    """
    count = len(question.passages)
    if name == "random":
        order = Random(f"at2-pruning/{seed}/{question.id}").sample(range(count), count)
        return Ranking(tuple(order), None, 0.0)
    if name == "minilm":
        return _rank_by_similarity(question)
    retrieval = question.retrieval
    if name == "bm25" or retrieval is None:
        found = Ranking(tuple(order_by_bm25(question.question, question.passages)), None, 0.0)
    else:
        found = Ranking(descending(retrieval), retrieval, 0.0)
    if name != "oracle":
        return found
    wanted = set(question.supporting)
    return Ranking(tuple(sorted(found.order, key=lambda index: index not in wanted)), None, 0.0)


def _rank_by_similarity(question: GoldQuestion) -> Ranking:
    """Rank by how alike each passage, with its title, is to the question."""
    texts = [passage.text for passage in with_titles_inside(question.passages)]
    scores = tuple(similarities([question.question], texts)[0].tolist())
    return Ranking(descending(scores), scores, 0.0)


def rank_by_question(reader: Reader, question: GoldQuestion, options: Mapping[str, Any]) -> Ranking:
    """Rank by what the question looks at, as ``reader.prune(…, rank_by="question")`` does.

    Args:
        reader: The reader whose model reads the question behind its passages.
        question: The question with its passages.
        options: Settings of the reader, by name.

    Raises:
        InputError: If the prompt has the question before the passages.
    """
    found = dict(reader.rank(question.question, question.passages, rank_by="question", **options))
    # What was not read comes last.
    least = min(found.values(), default=0.0)
    scores = tuple(found.get(index, least) for index in range(len(question.passages)))
    return Ranking(descending(scores), scores, 1.0)


def rank_by_use(answer: Answer) -> Ranking:
    """Rank by the scores that came along with an answer, as ``reader.prune`` does."""
    found = dict(answer.ranked_passages)
    own = [index for index, passage in enumerate(answer.passages) if passage.kind == "passage"]
    scores = tuple(found.get(index, 0.0) for index in own)
    return Ranking(descending(scores), scores, 0.0)


def rank_by_method(name: str, task: AttributionTask, seed: int) -> Ranking:
    """Rank by how much each passage made the model say its answer, the whole of it.

    Args:
        name: Name of a method, of :data:`at2_rag.methods.METHOD_NAMES`, that needs no estimator.
        task: The answer from all passages, with passages as sources.
        seed: What is drawn with in methods that draw.

    Raises:
        InputError: If there is no such method.
        NumericalError: If the model produced NaN.
    """
    attribution = task.answer.attribution
    method = method_by_name(name, None, seed)
    length = len(task.ids) - task.prompt_length
    if not length or not task.sources:
        empty = (0.0,) * len(attribution.passage_scores)
        return Ranking(descending(empty), empty, 0.0)
    whole = replace(task, targets=((0, length),))
    scores = [0.0] * len(attribution.passage_scores)
    for source, score in zip(
        attribution.sources, checked_scores(method, whole)[0].tolist(), strict=True
    ):
        scores[source.passage_index] += score
    # Attention is scored while the model answers; here the answer is read once more for it.
    passes = 0.0 if isinstance(method, AttentionMethod) else method.forward_passes(whole)
    return Ranking(descending(scores), tuple(scores), passes)


def descending(scores: Sequence[float]) -> tuple[int, ...]:
    """Return the indices from the highest score on; of equal scores the earlier comes first."""
    return tuple(sorted(range(len(scores)), key=lambda index: (-scores[index], index)))


def with_titles_inside(passages: Sequence[Passage]) -> list[Passage]:
    """Return passages that begin with their titles and have none, which the prompt shows alike.

    A passage as a source is its text; so it is its title too, and ablated as pruning drops it.
    """
    return [Passage(f"{p.title}\n{p.text}" if p.title else p.text) for p in passages]
