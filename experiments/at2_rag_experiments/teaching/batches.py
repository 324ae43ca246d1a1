"""Training batches: one world a row, several questions about it, each seeing only the world.

Reading a world costs most of a row, so a row asks many questions about it. A block mask and
restarted positions make every question look as if it were the only one, which is how the
reader will be used.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import torch
from at2_rag.documents.passages import Passage
from at2_rag.worlds import WorldExample, generate_world
from torch import Tensor
from transformers import PreTrainedTokenizerFast

#: Share of the worlds about which one question is asked that they do not answer.
_IN_VAIN = 0.35


@dataclass(frozen=True)
class Batch:
    """One training batch of ``rows`` worlds padded on the right to ``length`` tokens.

    Attributes:
        input_ids: (rows, length): token ids.
        positions: (rows, length): positions, which restart after the world for every question.
        mask: (rows, 1, length, length): true where a query may look at a key.
        weights: (rows, length): weight of predicting the token at this place.
    """

    input_ids: Tensor
    positions: Tensor
    mask: Tensor
    weights: Tensor


def world_text(passages: tuple[Passage, ...]) -> str:
    """Return the shared beginning of all prompts about a world."""
    told = "\n\n".join(f"{p.title}\n{p.text}" for p in passages)
    return f"<|user|>\nPassages:\n\n{told}\n\nQuery:"


class BatchMaker:
    """Draws batches; the next one depends on the state of the given randomness alone.

    Args:
        tokenizer: The demo reader's, or one with the same special tokens.
        questions: Questions about each world.
        tokens: Tokens of a batch, padding included.
        world_weight: Loss weight of the passages' and questions' own tokens.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, questions: int, tokens: int, world_weight: float
    ) -> None:
        self._encode = tokenizer.backend_tokenizer.encode
        self._pad = tokenizer.pad_token_id
        self._questions, self._tokens, self._world_weight = questions, tokens, world_weight

    def batch(self, rng: Random, most: int) -> Batch:
        """Draw a batch of worlds that all have the same number of passages, 1 to ``most``."""
        count = rng.randint(1, most)
        rows: list[_Row] = []
        longest = 0
        while True:
            row = self._row(rng, count)
            longest = max(longest, len(row.ids))
            if rows and longest * (len(rows) + 1) > self._tokens:
                return self._collate(rows)
            rows.append(row)

    def _row(self, rng: Random, count: int) -> _Row:
        row = _Row()
        asked = self._ask(rng, count)
        row.add(self._encode(world_text(asked[0].passages)).ids, self._world_weight, block=0)
        context = len(row.ids)
        for block, example in enumerate(asked, start=1):
            row.restart(context)
            question = f" {example.question}<|end|>\n<|assistant|>\n"
            row.add(self._encode(question).ids, self._world_weight, block)
            row.add(self._encode(example.answer + "<|end|>").ids, 1.0, block)
        return row

    def _ask(self, rng: Random, count: int) -> list[WorldExample]:
        world = generate_world(rng, count, hops=min(count, 2))
        two_hops = world.questions(2, rng)
        unanswerable = world.unanswerable(rng)[: int(rng.random() < _IN_VAIN)]
        wanted = self._questions - len(unanswerable)
        two_hops = two_hops[: (2 * wanted + 2) // 3]
        one_hop = world.questions(1, rng)[: wanted - len(two_hops)]
        return [*two_hops, *one_hop, *unanswerable]

    def _collate(self, rows: list[_Row]) -> Batch:
        length = max(len(row.ids) for row in rows)

        def padded(values: list[int] | list[float], fill: float) -> list[float]:
            return [*values, *[fill] * (length - len(values))]

        block = torch.tensor([padded(row.blocks, -1) for row in rows])
        same = block[:, :, None] == block[:, None, :]
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        mask = (same | (block == 0)[:, None, :]) & causal
        return Batch(
            torch.tensor([padded(row.ids, self._pad) for row in rows]),
            torch.tensor([padded(row.positions, 0) for row in rows]),
            mask[:, None],
            torch.tensor([padded(row.weights, 0.0) for row in rows]),
        )


class _Row:
    def __init__(self) -> None:
        self.ids: list[int] = []
        self.positions: list[int] = []
        self.blocks: list[int] = []
        self.weights: list[float] = []
        self._next = 0

    def restart(self, position: int) -> None:
        self._next = position

    def add(self, ids: list[int], weight: float, block: int) -> None:
        self.ids += ids
        self.positions += range(self._next, self._next + len(ids))
        self.blocks += [block] * len(ids)
        self.weights += [weight] * len(ids)
        self._next += len(ids)
