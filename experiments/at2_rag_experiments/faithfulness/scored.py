"""Scores of all sources of an answer, by every method that is compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from at2_rag.ablation.effects import AblationEffects
from at2_rag.ablation.task import AttributionTask
from at2_rag.attention.recording import inspect_attention
from at2_rag.estimators import ScoreEstimator
from at2_rag.estimators.probing.probe import equal_tokens
from at2_rag.evaluation.timing import timed_scores
from at2_rag.methods import AttributionMethod, SurrogateMethod, method_by_name
from at2_rag.methods.attention import scores_in_one_pass
from at2_rag.reader import Reader
from torch import Tensor

from at2_rag_experiments.base import Record
from at2_rag_experiments.similarity_method import SIMILARITY_METHODS

#: Attention to tokens that equal the one being said, of all heads alike: nothing is learned.
EQUAL_TOKENS = "equal-tokens"

#: The reader's own estimator.
OWN = "at2"

_SURROGATE = "esm-"


@dataclass(frozen=True, eq=False)
class Scored:
    """One method's scores of an answer.

    Attributes:
        scores: (targets, sources): how much each source mattered for each target, in the method's
            own unit.
        seconds: How long scoring took, passes that read the answer included.
        passes: Forward passes that scoring took.
    """

    scores: Tensor
    seconds: float
    passes: float

    def to_dict(self) -> Record:
        """Return plain JSON types."""
        return {
            "scores": self.scores.tolist(),
            "seconds": self.seconds,
            "passes": self.passes,
        }


def method_scores(
    reader: Reader, task: AttributionTask, names: Sequence[str], seed: int
) -> dict[str, Scored]:
    """Score an answer by several methods.

    All that look at attention share a pass, and each is said to take the time of all of them.

    Args:
        reader: The reader whose estimator the method ``"at2"`` is.
        task: The answer to explain, with at least one statement and one source.
        names: Names of methods, as :func:`at2_rag.methods.method_by_name` takes them;
            ``"equal-tokens"``, ``"minilm"`` and ``"minilm-with-question"``.
        seed: What is drawn with in methods that draw.

    Raises:
        InputError: If there is no such method.
        NumericalError: If the model or a method produced NaN.
    """
    estimators = {name: _ESTIMATORS[name](reader) for name in names if name in _ESTIMATORS}
    surrogates = [name for name in names if name.startswith(_SURROGATE)]
    others = [name for name in names if name not in {*estimators, *surrogates}]
    found = {
        **_by_attention(task, estimators),
        **{name: _timed(_method(name, reader, seed), task) for name in others},
        **_surrogates(task, surrogates, seed),
    }
    return {name: found[name] for name in names}


def _equal_tokens(reader: Reader) -> ScoreEstimator:
    return ScoreEstimator.from_record(equal_tokens(inspect_attention(reader.model), {}))


#: What weighs the attention of one pass, by the name of the method.
_ESTIMATORS: dict[str, Callable[[Reader], ScoreEstimator]] = {
    "average-attention": lambda reader: ScoreEstimator.uniform(reader.model),
    EQUAL_TOKENS: _equal_tokens,
    OWN: lambda reader: reader.estimator,
}


def _by_attention(
    task: AttributionTask, estimators: Mapping[str, ScoreEstimator]
) -> dict[str, Scored]:
    """Read the answer once, and weigh its attention in several ways."""
    if not estimators:
        return {}
    start = perf_counter()
    tables = scores_in_one_pass(task, list(estimators.values()))
    seconds = perf_counter() - start
    return {
        name: Scored(table, seconds, 1.0) for name, table in zip(estimators, tables, strict=True)
    }


def _method(name: str, reader: Reader, seed: int) -> AttributionMethod:
    if name in SIMILARITY_METHODS:
        return SIMILARITY_METHODS[name]
    return method_by_name(name, reader.estimator, seed)


def _timed(method: AttributionMethod, task: AttributionTask) -> Scored:
    return Scored(*timed_scores(method, task), method.forward_passes(task))


def _surrogates(task: AttributionTask, names: Sequence[str], seed: int) -> dict[str, Scored]:
    """Fit surrogates of several sizes to beginnings of one row of ablations."""
    counts = [int(name.removeprefix(_SURROGATE)) for name in names]
    if not counts:
        return {}
    start, largest = perf_counter(), SurrogateMethod(max(counts), seed=seed)
    masks = largest.draw(task)
    effects = task.ablator().ablate(masks)
    seconds = perf_counter() - start
    found = {}
    for name, count in zip(names, counts, strict=True):
        start = perf_counter()
        part = AblationEffects(effects.token_logits[:count])
        weights = largest.fit(task, masks[:count], part)
        taken = perf_counter() - start + seconds * count / largest.num_ablations
        found[name] = Scored(weights, taken, float(count))
    return found
