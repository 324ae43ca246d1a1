"""Measure attribution methods on the demo reader's answers about made-up worlds.

Run it as ``python examples/demo_reader/faithfulness.py --out build/faithfulness``. It takes 20
seconds an example on two CPU cores, most of it for the surrogates, and prints the table that
``docs/faithfulness.md`` shows.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from at2_rag import Reader, ScoreEstimator
from at2_rag.evaluation import compare, comparison_table, example_tasks, plot_comparison, write_json
from at2_rag.methods import AttentionMethod, AttributionMethod, method_by_name
from at2_rag.training import world_examples

#: Apart from the seeds that the reader and its estimators were trained with.
SEED = 2_000_000

ESTIMATORS = Path(__file__).parents[2] / "at2_rag" / "demo_model" / "estimators"
OTHERS = ("random", "average-attention", "gradient", "leave-one-out")


def main() -> None:
    """Answer, score, ablate, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="without ending")
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--surrogates", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--ablations", type=int, default=64)
    parser.add_argument("--estimators", type=Path, default=ESTIMATORS)
    args = parser.parse_args()
    reader = Reader.demo(max_new_tokens=64)
    names = [*OTHERS, *(f"esm-{count}" for count in args.surrogates)]
    methods: list[AttributionMethod] = [method_by_name(name) for name in names]
    for folder in sorted(args.estimators.iterdir()):
        methods.append(AttentionMethod(ScoreEstimator.load(folder), label=f"at2 {folder.name}"))
    comparison = compare(
        example_tasks(reader, world_examples(SEED, args.examples)),
        methods,
        num_ablations=args.ablations,
        on_task=lambda done: print(f"{done} of {args.examples}", flush=True),
    )
    Console(width=150).print(comparison_table(comparison))
    write_json(comparison, args.out.with_suffix(".json"))
    plot_comparison(comparison, args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
