"""Train the demo reader from scratch, on made-up worlds, on two CPU cores.

Run it as ``python examples/demo_reader/train.py --out build/demo_reader``. It goes on where it
stopped, and writes the model into ``model`` there. With ``--shape gpt_neox`` or ``qwen2`` it
trains a reader of another architecture and the same size.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from at2_rag_experiments.teaching import SHAPE_NAMES, Lesson, TeachingPlan, small_shape, teach
from tokenizer import build_tokenizer

_EVERY = 50


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shape", choices=SHAPE_NAMES, default="llama")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument("--tokens", type=int, default=6144, help="tokens per batch")
    parser.add_argument("--questions", type=int, default=6, help="questions per world")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    start = time.monotonic()

    def follow(lesson: Lesson) -> None:
        if lesson.step % _EVERY == 0 or lesson.resumed:
            print(
                f"{lesson.step:6d} passages up to {lesson.most_passages} loss {lesson.loss:.3f} "
                f"answer tokens right {lesson.right:.3f} {(time.monotonic() - start) / 60:.1f} min",
                flush=True,
            )

    tokenizer = build_tokenizer()
    plan = TeachingPlan(
        args.steps,
        args.tokens,
        questions=args.questions,
        peak=args.learning_rate,
        seed=args.seed,
    )
    print(teach(small_shape(args.shape, tokenizer), tokenizer, plan, args.out, on_step=follow))


if __name__ == "__main__":
    main()
