"""Logs of answers to questions about made-up worlds, right ones, wrong ones and refusals."""

import json

from at2_rag.worlds import generate_examples


def make_rows(count, passages=3):
    """Return rows with columns of their own beside what is read."""
    rows = []
    for seed in range(count):
        example = next(generate_examples(seed, passages, 1 + seed % 2))
        first = example.passages[seed % passages].text
        answer = (first, "I don't know.", f"{first} Nobody else said that.")[seed % 3]
        rows.append(
            {
                "id": f"row {seed}",
                "question": example.question,
                "passages": [{"title": p.title, "text": p.text} for p in example.passages],
                "answer": answer,
                "retriever": "ab"[seed % 2],
                "extra": {"seed": seed, "score": [0.1 * seed, None]},
            }
        )
    return rows


def write_rows(path, rows):
    """Write JSON lines; rows that are text already are written as they are."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
