"""Measure whether the demo reader says that it does not know, and what gives away what it made up.

Run it as ``python examples/demo_reader/abstention.py --questions 100``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from at2_rag import Reader
from at2_rag.evaluation.abstention import measure_abstention
from at2_rag.evaluation.questions import world_questions

#: Of the worlds that are measured on, as in evaluate.py; training did not draw from them.
SEED = 2_000_000
LONGEST_ANSWER = 64


def main() -> None:
    """Parse the command line, print the figures, and write every answer if wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=100, help="of each kind")
    parser.add_argument("--passages", type=int, default=6)
    parser.add_argument("--out", type=Path, help="a JSON file for all answers")
    args = parser.parse_args()
    questions = world_questions(SEED, args.questions, args.questions, args.passages)
    reader = Reader.demo(max_new_tokens=LONGEST_ANSWER)
    report = measure_abstention(reader, questions)
    print(report)
    if args.out is not None:
        text = json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        args.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
