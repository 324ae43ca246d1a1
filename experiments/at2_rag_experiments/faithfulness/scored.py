"""Scores of all sources of an answer, by every method that is compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import torch
from at2_rag.ablation.masking import random_masks
from at2_rag.ablation.task import AttributionTask
from at2_rag.estimators import Regions, ScoreEstimator
from at2_rag.estimators.files import EstimatorRecord
from at2_rag.methods import AttributionMethod, method_by_name
from at2_rag.methods.base import checked_scores, task_seed
from at2_rag.methods.surrogate import fit_surrogate
from at2_rag.model.recorded_model import RecordedModel
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
    every = ScoreEstimator.uniform(reader.model).head_weights
    tensors = {"coefficients": torch.zeros_like(every), "copying": every}
    return ScoreEstimator.from_record(EstimatorRecord("copying", tensors))


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
    weightings = torch.cat([estimator.weightings for estimator in estimators.values()])
    prompt, answer = task.ids[: task.prompt_length], task.ids[task.prompt_length :]
    seen = RecordedModel(task.model).read(prompt, answer, weightings)
    owners = tuple(source.passage_index for source in task.answer.attribution.sources)
    regions, first, tables = Regions(task.sources, owners, (), ()), 0, {}
    for name, estimator in estimators.items():
        own = slice(first, first + len(estimator.weightings))
        table = estimator.scores(replace(seen, tables=seen.tables[own]), regions).sources
        tables[name] = torch.stack([table[slice(*target)].mean(dim=0) for target in task.targets])
        first = own.stop
    seconds = perf_counter() - start
    return {name: Scored(table, seconds, 1.0) for name, table in tables.items()}


def _method(name: str, reader: Reader, seed: int) -> AttributionMethod:
    if name in SIMILARITY_METHODS:
        return SIMILARITY_METHODS[name]
    return method_by_name(name, reader.estimator, seed)


def _timed(method: AttributionMethod, task: AttributionTask) -> Scored:
    start = perf_counter()
    scores = checked_scores(method, task)
    return Scored(scores, perf_counter() - start, method.forward_passes(task))


def _surrogates(task: AttributionTask, names: Sequence[str], seed: int) -> dict[str, Scored]:
    """Fit surrogates of several sizes to beginnings of one row of ablations."""
    counts = [int(name.removeprefix(_SURROGATE)) for name in names]
    if not counts:
        return {}
    most, start = max(counts), perf_counter()
    masks = random_masks(most, len(task.sources), task_seed("surrogate", seed, task))
    effects = task.ablator().ablate(masks)
    seconds = perf_counter() - start
    found = {}
    for name, count in zip(names, counts, strict=True):
        start = perf_counter()
        rows = [
            fit_surrogate(
                masks[:count], effects.logit(*target)[:count], target[1] - target[0], 0.01
            )
            for target in task.targets
        ]
        taken = perf_counter() - start + seconds * count / most
        found[name] = Scored(torch.stack(rows).float(), taken, float(count))
    return found
