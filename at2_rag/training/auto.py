"""From own documents to an estimator for a model: collect, learn in several ways, keep the best.

What is best is judged on documents that nothing was learned from; probed heads, which take no
learning, are kept unless something else is better there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from huggingface_hub import cached_assets_path

from at2_rag.documents.passages import Passage
from at2_rag.errors import InputError
from at2_rag.estimators import ScoreEstimator
from at2_rag.estimators.fingerprints import reading_fingerprint
from at2_rag.evaluation.results import Estimate
from at2_rag.reader import Reader
from at2_rag.training.asking import AskOptions, Writer
from at2_rag.training.budget import Budget
from at2_rag.training.calibrate import calibrate
from at2_rag.training.candidates import CANDIDATES, Candidate, Learning, learned
from at2_rag.training.collector import CollectOptions
from at2_rag.training.judge import Judged, judge
from at2_rag.training.own_documents import (
    SPENT,
    DocumentReport,
    Side,
    Step,
    collect_sides,
    divided,
    with_ids,
)
from at2_rag.training.records import TrainingRecord
from at2_rag.training.shards import load_collected

#: The estimators that cost no learning, by the names that tables call them.
PROBED, AVERAGE = "probed", "average attention"

_TRAINING, _HELD_OUT = "training", "held-out"
#: Two questions to learn from for one to measure on.
_ORDER = (_TRAINING, _TRAINING, _HELD_OUT)
#: With fewer examples than that, on either side, a difference says nothing.
_FEWEST = 5


@dataclass(frozen=True)
class AutoOptions:
    """How much is collected, and how.

    Attributes:
        minutes: How long it may take, earlier times included; ``None`` for no bound.
        examples: How many questions are kept at most; ``None`` for no bound.
        num_ablations: How many random ablations each example has.
        held_out: Which share of the documents is measured on, and not learned from.
        seed: Which documents these are, what is asked and what is ablated; the same seed gives the
            same.
        asking: How questions are asked.
    """

    minutes: float | None = 30.0
    examples: int | None = None
    num_ablations: int = 16
    held_out: float = 1 / 3
    seed: int = 0
    asking: AskOptions = field(default_factory=AskOptions)


@dataclass(frozen=True, eq=False)
class Trained:
    """What came of training.

    Attributes:
        collected: What was asked, kept and collected.
        judged: How each estimator does on held-out questions, by name, in the order of a table;
            nothing where there was too little to judge by.
        winner: Name of the best, which is ``"probed"`` unless another is better.
        estimator: The best estimator, calibrated on held-out questions; ``None`` where probed heads
            are kept as they are.
        kept_because: Why probed heads are kept; ``None`` where they are not.
    """

    collected: DocumentReport
    judged: Mapping[str, Judged]
    winner: str
    estimator: ScoreEstimator | None
    kept_because: str | None


def train_auto(
    reader: Reader,
    passages: Sequence[Passage],
    work: str | Path,
    options: AutoOptions | None = None,
    *,
    candidates: Sequence[Candidate] = CANDIDATES,
    writer: Writer | None = None,
    on_begin: Callable[[Sequence[Side]], None] | None = None,
    progress: Callable[[Step], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Trained:
    """Learn an estimator for a reader's model from own documents, and keep it if it is better.

    Called again with the same folder, it goes on where it stopped, with the time that is left.

    Args:
        reader: The reader whose model is explained; its estimator plays no part.
        passages: What is asked about.
        work: Folder for questions and records, new or of the same run.
        options: How much is collected, and how; ``None`` for the defaults.
        candidates: The ways to learn that are tried.
        writer: Writes the questions instead of the reader's model; it is given a topic and what is
            shown of it.
        on_begin: Called with what is asked about, before the first question.
        progress: Called after every topic.
        clock: Seconds of a clock that never goes back.

    Raises:
        InputError: If an argument cannot be used, or ``work`` holds another run.
        FileFormatError: If a file in ``work`` is damaged.
        DiskFullError: If the disk is full; everything before is stored.
    """
    options, folder = options or AutoOptions(), Path(work)
    budget = Budget(folder / SPENT, options.minutes, clock)
    prompt = reader.settings.prompt
    probed = ScoreEstimator.probe(reader.model, reader.tokenizer, prompt=prompt)
    sides = sides_of(reader, passages, folder, options, writer)
    if on_begin is not None:
        on_begin(sides)
    budget.skip()
    collected = collect_sides(sides, _ORDER, budget, examples=options.examples, progress=progress)
    training = load_collected(folder / _TRAINING)
    measured = load_collected(folder / _HELD_OUT).records
    few = min(len(training.records), len(measured))
    if few < _FEWEST:
        return Trained(collected, {}, PROBED, None, _too_few(len(training.records), len(measured)))
    learning = Learning(training.records, probed, training.manifest, options.seed)
    estimators = {
        AVERAGE: ScoreEstimator.uniform(reader.model),
        PROBED: probed,
        **learned(candidates, learning),
    }
    return chosen(estimators, measured, collected)


def work_folder(
    reader: Reader, passages: Sequence[Passage], options: AutoOptions, home: Path | None = None
) -> Path:
    """Return a folder in the user's cache for one model, the same documents and the same options.

    Args:
        reader: The reader whose model is explained.
        passages: What is asked about.
        options: How much is collected, and how; how long it takes makes no other folder.
        home: Folder that all such folders are in; ``None`` for the hub's cache of assets.
    """
    same = replace(options, minutes=None, examples=None)
    what = (same, [(p.id, p.title, p.text) for p in passages])
    name = reading_fingerprint(reader.model, reader.tokenizer, what)
    return (home or Path(cached_assets_path("at2-rag", "training"))) / name


def sides_of(
    reader: Reader,
    passages: Sequence[Passage],
    folder: Path,
    options: AutoOptions,
    writer: Writer | None = None,
) -> tuple[Side, Side]:
    """Return what is learned from and what is measured on, which share no document.

    Args:
        reader: The reader whose model is explained.
        passages: What is asked about.
        folder: Where questions and records go.
        options: How much is collected, and how.
        writer: Writes the questions instead of the reader's model.

    Raises:
        InputError: If there are too few passages, or the folder holds another run.
    """
    asking = replace(options.asking, seed=options.seed)
    parts = divided(with_ids(passages), options.held_out, options.seed)
    training, held_out = (
        CollectOptions(options.num_ablations, "sentence", options.seed, **more)
        for more in ({"copying": True}, {"detail": True})
    )
    learned_from, measured_on = folder / _TRAINING, folder / _HELD_OUT
    return (
        Side.begin(_TRAINING, reader, parts[0], learned_from, asking, training, writer),
        Side.begin(_HELD_OUT, reader, parts[1], measured_on, asking, held_out, writer),
    )


def chosen(
    estimators: Mapping[str, ScoreEstimator],
    measured: Sequence[TrainingRecord],
    collected: DocumentReport,
) -> Trained:
    """Judge estimators on held-out records, and return the best, or probed heads.

    What takes the place of probed heads has a higher linear datamodeling score, by more than the
    standard error of the difference, and no lower top-1 drop, and can be calibrated.

    Args:
        estimators: What may be taken, by name, ``"probed"`` among them.
        measured: Records with detail, of examples that none was fitted to.
        collected: What was asked, kept and collected.
    """
    try:
        judged = judge(estimators, measured)
    except InputError as error:
        return Trained(collected, {}, PROBED, None, str(error))
    probed = judged[PROBED]
    better = [name for name in judged if _is_better(judged[name], probed)]
    for name in sorted(better, key=lambda n: judged[n].lds.mean().item(), reverse=True):
        try:
            thresholds = calibrate(estimators[name], measured, "sentence")
        except InputError as error:
            return Trained(collected, judged, PROBED, None, str(error))
        about = {**estimators[name].metadata, "auto": _about(name, judged, collected)}
        best = replace(estimators[name], metadata=about).calibrated(thresholds)
        return Trained(collected, judged, name, best, None)
    reason = "nothing learned is better on held-out questions by more than the standard error"
    return Trained(collected, judged, PROBED, None, reason)


def _is_better(one: Judged, probed: Judged) -> bool:
    gain = one.gain_over(probed)
    if gain.mean is None or gain.standard_error is None:
        return False
    return gain.mean > gain.standard_error and bool(one.drop.mean() >= probed.drop.mean())


def _about(name: str, judged: Mapping[str, Judged], collected: DocumentReport) -> dict[str, Any]:
    """Return what is worth knowing of the choice, in plain JSON types."""

    def plain(estimate: Estimate) -> dict[str, Any]:
        return asdict(estimate)

    return {
        "chosen": name,
        "questions": dict(collected.kept),
        "dropped": {str(reason): count for reason, count in collected.dropped.items()},
        "seconds": round(collected.seconds),
        "held_out": {
            each: {"lds": plain(found.mean_lds), "top_1_drop": plain(found.mean_drop)}
            for each, found in judged.items()
        },
    }


def _too_few(training: int, measured: int) -> str:
    return (
        f"there are {training} examples to learn from and {measured} to measure on; at least "
        f"{_FEWEST} of each are needed to tell a difference"
    )
