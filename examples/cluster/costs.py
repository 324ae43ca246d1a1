"""Print what it costs to train on a cluster, from how fast one GPU was measured to be.

Run it as ``python examples/cluster/costs.py --tflops 400 --decoded 30``, with the operations that
one GPU gets done in forward passes (its peak times the part of it that is reached) and the tokens
that it generates per second. Both are of one model size; name others with ``--only``.
"""

from __future__ import annotations

import argparse

from at2_rag.training.costs import SIZES, ModelSize, Rates, Workload, device_hours


def main() -> None:
    """Print a table, in markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tflops", type=float, required=True, help="reached, in 1e12 per second")
    parser.add_argument("--decoded", type=float, required=True, help="tokens per second")
    parser.add_argument("--devices", type=int, default=1, help="that one model is spread over")
    parser.add_argument("--only", choices=[size.name for size in SIZES], help="one model")
    parser.add_argument("--passages", type=int, default=1500, help="tokens of all passages")
    parser.add_argument("--answer", type=int, default=100, help="tokens of an answer")
    parser.add_argument("--examples", type=int, default=2000)
    args = parser.parse_args()
    workload = Workload(
        examples=args.examples, passages=args.passages, sources=args.passages, answer=args.answer
    )
    rates = Rates(args.tflops * 1e12, args.decoded, args.devices)
    print("| model | weights | operations | decoding | GPU hours | a record | all records |")
    print("|---|---|---|---|---|---|---|")
    for size in SIZES:
        if args.only in (None, size.name):
            print(row(size, workload, rates))


def row(size: ModelSize, workload: Workload, rates: Rates) -> str:
    """Return one line of the table."""
    record = workload.record_bytes(size)
    decoding = workload.decoded_tokens() / rates.decoded * rates.devices / 3600
    cells = (
        size.name,
        f"{2 * size.parameters / 1e9:.1f} GB",
        f"{workload.flops(size):.2g}",
        f"{decoding:.1f} h",
        f"{device_hours(size, workload, rates):.1f}",
        f"{record / 1e6:.2f} MB",
        f"{record * workload.examples / 1e9:.2f} GB",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
