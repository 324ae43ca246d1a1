"""Prune the context: draft an answer, keep the passages that it used, and answer again.

    python examples/prune_context.py
    python examples/prune_context.py --model Qwen/Qwen2.5-1.5B-Instruct --questions 5

The questions are about generated worlds, so what is right is known. The demo reader knows nothing
else; another model answers in its own words, and is right if it says the wanted one.
"""

import argparse
from itertools import islice

from at2_rag import Reader
from at2_rag.worlds import generate_examples

PASSAGES = 12
KEEP = 3


def main() -> None:
    """Answer each question from all passages, and from those that the answer used."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="hub id or folder of a causal language model")
    parser.add_argument("--questions", type=int, default=12)
    arguments = parser.parse_args()
    reader = Reader.from_pretrained(arguments.model) if arguments.model else Reader.demo()

    right, tokens = [0, 0], [0, 0]
    examples = islice(
        generate_examples(seed=12, num_passages=PASSAGES, hops=2), arguments.questions
    )
    for example in examples:
        after = reader.answer(example.question, example.passages, prune_to=KEEP, max_new_tokens=96)
        print(f"\n{example.question}  ({example.final_answer})")
        for index, answer in enumerate((after.draft, after)):
            correct = example.final_answer in answer.text.rpartition("Final answer:")[2]
            right[index] += correct
            tokens[index] += answer.prompt_tokens
            mark = "✓" if correct else "✗"
            passages = f"{len(answer.kept)} passages, {answer.prompt_tokens:4} tokens"
            print(f"  {mark} {passages}: {answer.text}")

    print(f"\nRight: {right[0]} of {arguments.questions} before pruning, {right[1]} after it.")
    print(
        f"Tokens of the prompts: {tokens[0]} → {tokens[1]}, {1 - tokens[1] / tokens[0]:.0%} less."
    )


if __name__ == "__main__":
    main()
