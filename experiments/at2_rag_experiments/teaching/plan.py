"""How a reader is taught: how long, on what, and how fast."""

from __future__ import annotations

import math
from dataclasses import dataclass

from at2_rag.errors import InputError

#: (share of all steps, most passages): the number of passages grows while the loss falls.
CURRICULUM = ((0.06, 2), (0.14, 4), (0.30, 6), (1.0, 10))


def short_curriculum(most: int) -> tuple[tuple[float, int], ...]:
    """Return a curriculum for a training that ends soon after the reader has learned to copy.

    Args:
        most: Most passages of a world, in the end.
    """
    return (0.2, min(2, most)), (0.4, min(4, most)), (1.0, most)


@dataclass(frozen=True)
class TeachingPlan:
    """A training from scratch on generated worlds.

    Attributes:
        steps: Steps of AdamW.
        tokens: Tokens in a step, padding included.
        curriculum: Stages, each (share of all steps at which it ends, most passages of a world);
            the last ends at 1.
        questions: Questions that are asked about a world.
        peak: Learning rate after warming up.
        warm_up: Steps in which the learning rate rises from 0.
        anneal: Share of the steps, the last ones, in which the learning rate falls to 0 again.
        world_weight: Loss weight of the passages' and questions' own tokens; that of an answer's
            tokens is 1.
        seed: What first weights and worlds are drawn with.

    Raises:
        InputError: If a field cannot be used.
    """

    steps: int
    tokens: int = 6144
    curriculum: tuple[tuple[float, int], ...] = CURRICULUM
    questions: int = 6
    peak: float = 1.5e-3
    warm_up: int = 200
    anneal: float = 0.4
    world_weight: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "tokens", "questions", "warm_up"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; expected at least 1.")
        for name in ("peak", "anneal"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(
                    f"{name} is {getattr(self, name)}; expected above 0, and at most 1."
                )
        ends = [end for end, _ in self.curriculum]
        counts = [most for _, most in self.curriculum]
        if not ends or ends != sorted(ends) or ends[-1] != 1.0 or min(counts) < 1:
            raise InputError(
                f"curriculum is {self.curriculum}; expected (share of all steps, most passages) "
                "of each stage, shares in ascending order up to 1.0, and at least 1 passage."
            )

    def most_passages(self, step: int) -> int:
        """Return the most passages of a world at a step."""
        return next(most for end, most in self.curriculum if step / self.steps < end)

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step: it rises, stays, and falls by half a cosine."""
        warm = min(1.0, (step + 1) / self.warm_up)
        fallen = max(0.0, (step / self.steps - (1 - self.anneal)) / self.anneal)
        return self.peak * warm * 0.5 * (1 + math.cos(math.pi * fallen))
