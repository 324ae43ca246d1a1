"""Learn the demo reader's coefficients on made-up worlds.

Run it as ``python examples/demo_reader/estimator.py --out at2_rag/demo_model/estimator``. It goes
on where it stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from at2_rag import Reader, ScoreEstimator
from at2_rag.loading import load_demo_model
from at2_rag.training import collect, fit, load_collected, world_examples

#: Apart from the seeds that the reader was trained, and is measured, with.
SEED = 1_000_000


def main() -> None:
    """Collect, fit and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--collected", type=Path, default=Path("build/collected"))
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--method", choices=["ridge", "pearson"], default="ridge")
    args = parser.parse_args()
    model, tokenizer = load_demo_model()
    reader = Reader(model, tokenizer, ScoreEstimator.uniform(model), max_new_tokens=64)
    examples = world_examples(SEED, args.examples)
    report = collect(
        reader,
        examples,
        args.collected,
        num_ablations=32,
        source_unit="sentence",
        copying=True,
        progress=lambda outcome: print(outcome.id, outcome.skipped or "", flush=True),
    )
    print(report)
    collected = load_collected(args.collected)
    provenance = {"data": f"generated worlds, seed {SEED}", "manifest": collected.manifest}
    result = fit(collected.records, method=args.method, provenance=provenance)
    print(result.metrics)
    result.estimator.save(args.out)


if __name__ == "__main__":
    main()
