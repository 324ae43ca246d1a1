"""Learn the demo reader's score estimators on made-up worlds.

Run it as ``python examples/demo_reader/estimator.py --out at2_rag/demo_model/estimators``. It goes
on where it stopped. It saves a network, copying coefficients, and the paper's own coefficients,
from sentences and from tokens; all but the last are calibrated for sentences and passages.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from at2_rag import Reader, ScoreEstimator
from at2_rag.loading import load_demo_model
from at2_rag.sources import SourceUnit
from at2_rag.training import (
    Collected,
    FitResult,
    NetworkOptions,
    TrainingRecord,
    calibrate,
    collect,
    fit,
    fit_network,
    load_collected,
    world_examples,
)

#: Apart from the seeds that the reader was trained, and is measured, with.
SEED = 1_000_000

#: Examples by the unit of their sources.
EXAMPLES: dict[SourceUnit, int] = {"sentence": 1000, "passage": 200, "token": 300}


def main() -> None:
    """Collect, fit, calibrate and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--collected", type=Path, default=Path("build"))
    args = parser.parse_args()
    found = {unit: collected(unit, args.collected / f"worlds_{unit}") for unit in EXAMPLES}
    sentences, passages, tokens = (found[unit] for unit in EXAMPLES)

    def save(name: str, result: FitResult) -> None:
        print(name, result.metrics.fitted_dependent, flush=True)
        estimator = result.estimator
        if estimator.calibrations:
            estimator = estimator.calibrated(calibrate(estimator, passages.records, "passage"))
        estimator.save(args.out / name)

    options = NetworkOptions(width=128, learning_rate=1e-3, steps=3000)
    save("network", fit_to(sentences, fit_network, options=options))
    save("copying", fit_to(sentences, fit, method="ridge"))
    plain = [without_copying(record) for record in sentences.records]
    save("linear", fit_to(replace(sentences, records=tuple(plain)), fit))
    plain = [without_copying(record) for record in tokens.records]
    save("linear-tokens", fit_to(replace(tokens, records=tuple(plain)), fit))


def collected(unit: SourceUnit, folder: Path) -> Collected:
    """Collect examples with sources of one unit, or go on collecting them."""
    model, tokenizer = load_demo_model()
    reader = Reader(model, tokenizer, ScoreEstimator.uniform(model), max_new_tokens=64)
    # Leaving out every token alone would take hundreds of passes for an example.
    detail = unit != "token"
    report = collect(
        reader,
        world_examples(SEED, EXAMPLES[unit]),
        folder,
        source_unit=unit,
        copying=True,
        detail=detail,
        progress=lambda outcome: print(outcome.id, outcome.skipped or "", flush=True),
    )
    print(report)
    return load_collected(folder)


def fit_to(found: Collected, how: Callable[..., FitResult], **options: object) -> FitResult:
    """Fit one estimator."""
    provenance = {"data": f"generated worlds, seed {SEED}", "manifest": found.manifest}
    unit = found.manifest["source_unit"]
    return how(found.records, provenance=provenance, source_unit=unit, **options)


def without_copying(record: TrainingRecord) -> TrainingRecord:
    """Return a record with the features of the paper's coefficients alone."""
    return replace(record, features=record.features[..., : record.features.shape[2] // 2])


if __name__ == "__main__":
    main()
