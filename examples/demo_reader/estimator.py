"""Learn the demo reader's score estimators on made-up worlds.

Run it as ``python examples/demo_reader/estimator.py --out at2_rag/demo_model/estimators``. It goes
on where it stopped. It saves a network, copying coefficients, and the paper's own coefficients,
from sentences and from tokens; all but the last are calibrated for sentences and passages.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from at2_rag import Reader, ScoreEstimator
from at2_rag.documents.sources import SourceUnit
from at2_rag.model.loading import load_demo_model
from at2_rag.training import (
    Collected,
    FitResult,
    NetworkOptions,
    calibrate,
    collect,
    fit,
    fit_network,
    load_collected,
    world_examples,
)

#: Apart from the seeds that the reader was trained, and is measured, with; one for each run.
SEED = 1_000_000


@dataclass(frozen=True)
class Run:
    """What is collected into one folder.

    Attributes:
        unit: What a source is.
        examples: How many.
        passages: Fewest and most of an example.
        seed: Added to ``SEED``.
    """

    unit: SourceUnit
    examples: int
    passages: tuple[int, int]
    seed: int


RUNS = {
    "sentence": Run("sentence", 1000, (4, 8), 0),
    # What is left after pruning; without these, a network finds hardly anything to cite there.
    "few": Run("sentence", 400, (2, 3), 2),
    "passage": Run("passage", 200, (2, 8), 1),
    "token": Run("token", 300, (4, 8), 0),
}


def main() -> None:
    """Collect, fit, calibrate and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--collected", type=Path, default=Path("build"))
    args = parser.parse_args()
    found = {name: collected(RUNS[name], args.collected / f"worlds_{name}") for name in RUNS}
    sentences, few, passages, tokens = (found[name] for name in RUNS)
    sentences = replace(sentences, records=(*sentences.records, *few.records))

    def save(name: str, result: FitResult) -> None:
        print(name, result.metrics.fitted_dependent, flush=True)
        estimator = result.estimator
        if estimator.calibrations:
            estimator = estimator.calibrated(calibrate(estimator, passages.records, "passage"))
        estimator.save(args.out / name)

    options = NetworkOptions(width=128, learning_rate=1e-3, steps=3000)
    save("network", fit_to(sentences, fit_network, options=options))
    save("copying", fit_to(sentences, fit, method="ridge"))
    plain = [record.without_copying for record in sentences.records]
    save("linear", fit_to(replace(sentences, records=tuple(plain)), fit))
    plain = [record.without_copying for record in tokens.records]
    save("linear-tokens", fit_to(replace(tokens, records=tuple(plain)), fit))


def collected(run: Run, folder: Path) -> Collected:
    """Collect examples, or go on collecting them."""
    model, tokenizer = load_demo_model()
    reader = Reader(model, tokenizer, ScoreEstimator.uniform(model), max_new_tokens=64)
    report = collect(
        reader,
        world_examples(SEED + run.seed, run.examples, run.passages),
        folder,
        source_unit=run.unit,
        copying=True,
        # Leaving out every token alone would take hundreds of passes for an example.
        detail=run.unit != "token",
        progress=lambda outcome: print(outcome.id, outcome.skipped or "", flush=True),
    )
    print(report)
    return load_collected(folder)


def fit_to(found: Collected, how: Callable[..., FitResult], **options: object) -> FitResult:
    """Fit one estimator."""
    provenance = {"data": f"generated worlds, seed {SEED}", "manifest": found.manifest}
    unit = found.manifest["source_unit"]
    return how(found.records, provenance=provenance, source_unit=unit, **options)


if __name__ == "__main__":
    main()
