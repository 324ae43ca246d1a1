"""Measure a demo reader on fresh worlds: exact final answers, by hops and passages.

Run it as ``python examples/demo_reader/evaluate.py build/demo_reader/model --examples 500``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from at2_rag import MULTI_PASSAGE
from at2_rag.worlds import HELD_OUT_SEED, WorldExample, generate_examples

BATCH = 50


class Answerer:
    """Answers many questions at a time, greedily.

    Args:
        folder: A model folder.
    """

    def __init__(self, folder: Path) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()

    @torch.inference_mode()
    def accuracy(self, examples: list[WorldExample]) -> float:
        """Return the share of examples whose final answer is exactly right."""
        right = 0
        for start in range(0, len(examples), BATCH):
            batch = examples[start : start + BATCH]
            answers = self._answers(batch)
            right += sum(
                answer.rpartition("Final answer: ")[2] == example.final_answer
                for answer, example in zip(answers, batch, strict=True)
            )
        return right / len(examples)

    def _answers(self, examples: Iterable[WorldExample]) -> list[str]:
        prompts = [self._prompt(example) for example in examples]
        tokens = self._tokenizer(
            prompts, padding=True, add_special_tokens=False, return_tensors="pt"
        )
        output = self._model.generate(**tokens, max_new_tokens=64, do_sample=False)
        new = output[:, tokens["input_ids"].shape[1] :]
        answers: list[str] = self._tokenizer.batch_decode(new, skip_special_tokens=True)
        return answers

    def _prompt(self, example: WorldExample) -> str:
        shown = range(len(example.passages))
        content, _ = MULTI_PASSAGE.render(example.question, example.passages, shown)
        message = {"role": "user", "content": content}
        text: str = self._tokenizer.apply_chat_template(
            [message], tokenize=False, add_generation_prompt=True
        )
        return text


def measure(folder: Path, count: int, sizes: Iterable[int]) -> dict[str, dict[str, float]]:
    """Return accuracies by kind of question and number of passages."""
    answerer = Answerer(folder)
    results: dict[str, dict[str, float]] = {}
    for hops in (1, 2, "unanswerable"):
        row: dict[str, float] = {}
        if hops != "unanswerable":
            examples = list(islice(generate_examples(HELD_OUT_SEED, 8, hops), count))
            row["supporting"] = answerer.accuracy([e.supported_only for e in examples])
        for size in sizes:
            examples = list(islice(generate_examples(HELD_OUT_SEED, size, hops), count))
            row[str(size)] = answerer.accuracy(examples)
        results[str(hops)] = row
        print(hops, row, flush=True)
    return results


def main() -> None:
    """Parse the command line and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--passages", type=int, nargs="+", default=[2, 4, 6, 8, 10])
    args = parser.parse_args()
    print(json.dumps(measure(args.folder, args.examples, args.passages), indent=2))


if __name__ == "__main__":
    main()
