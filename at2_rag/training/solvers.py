"""The two ways from statements to coefficients: descent on the paper's loss, and a ridge."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from at2_rag.evaluation.statistics import pearson
from at2_rag.training.dataset import Statements, grouped

#: Strengths of the ridge to choose from, as shares of the mean diagonal of the normal equations.
RIDGE_STRENGTHS = tuple(10.0**exponent for exponent in range(-5, 3))
#: How many statements a ridge takes into double precision at a time.
ROWS = 256

_LEAST_STRENGTH = 1e-9
_TINY = torch.finfo(torch.double).tiny
_PROJECTED_STEPS = 2000


@dataclass(frozen=True)
class DescentOptions:
    """How the paper's descent is done (appendix A.5).

    Attributes:
        steps: How many steps of Adam are taken.
        learning_rate: Learning rate of the first step; a cosine brings it to 0.
        batch_size: How many examples a step takes, with one statement each.
        seed: Which examples and statements each step takes; the same seed draws the same ones.
    """

    steps: int = 1000
    learning_rate: float = 1e-3
    batch_size: int = 512
    seed: int = 0


def descend(
    statements: Statements, options: DescentOptions, *, non_negative: bool, bias: bool
) -> tuple[Tensor, float]:
    """Minimise minus the mean Pearson correlation, from uniform coefficients on (appendix A.5).

    Args:
        statements: The statements to learn from.
        options: How the descent is done; as in the paper by default.
        non_negative: Whether to set negative coefficients to 0 after each step.
        bias: Whether to learn beside the coefficients what any source counts for, whatever its
            attention.

    Returns:
        (layers · heads,) coefficients, and the bias, 0 without one.
    """
    weights = torch.full((statements.heads,), 1.0 / statements.heads, requires_grad=True)
    offset = torch.zeros((), requires_grad=bias)
    learned = [weights, offset] if bias else [weights]
    optimizer = torch.optim.Adam(learned, lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=options.steps)
    batches = Batches(statements.example, options)
    # Attention is small and counts of sources are not; one learning rate must suit both.
    counts = statements.kept_balance
    unit = float(statements.features.abs().mean() / counts.abs().mean().clamp_min(1))
    for _ in range(options.steps):
        rows = batches.draw()
        predictions = statements.features[rows] @ weights
        if bias:
            predictions = predictions + offset * unit * counts[rows]
        loss = -pearson(predictions, statements.outputs[rows]).mean()
        optimizer.zero_grad()
        torch.autograd.backward([loss])
        optimizer.step()
        schedule.step()
        if non_negative:
            with torch.no_grad():
                weights.clamp_(min=0)
    return weights.detach(), float(offset.detach()) * unit if bias else 0.0


class Batches:
    """Draws examples, and of each one statement."""

    def __init__(self, example: Tensor, options: DescentOptions) -> None:
        _, self._counts = grouped(example)
        self._first = self._counts.cumsum(0) - self._counts
        self._size = options.batch_size
        self._generator = torch.Generator().manual_seed(options.seed)

    def draw(self) -> Tensor:
        """Return (batch,): statements; no example twice unless there are fewer than wanted."""
        count = len(self._counts)
        if count >= self._size:
            chosen = torch.randperm(count, generator=self._generator)[: self._size]
        else:
            chosen = torch.randint(count, (self._size,), generator=self._generator)
        share = torch.rand(self._size, generator=self._generator)
        rows: Tensor = self._first[chosen] + (share * self._counts[chosen]).long()
        return rows


class Ridge:
    """Least squares on statements that are each centred and scaled, with a penalty.

    Centring takes each statement's own level out, and scaling lets each count alike, so the
    squared error measures what the paper's loss does; and it has a closed form. Each example
    counts as one, however many statements it has, as it does in the paper's batches.

    Args:
        statements: The statements to learn from.
        bias: Whether to learn beside the coefficients what any source counts for.
    """

    def __init__(self, statements: Statements, *, bias: bool) -> None:
        width = statements.heads + bias
        self._gram = torch.zeros(width, width, dtype=torch.double)
        self._moment = torch.zeros(width, dtype=torch.double)
        self._heads = statements.heads
        weight = _example_weights(statements.example)
        # In pieces: in double precision the whole would be several times what is in memory now.
        for start in range(0, len(weight), ROWS):
            rows = torch.arange(start, min(start + ROWS, len(weight)))
            self._add(statements.where(rows), weight[rows], bias)

    def _add(self, part: Statements, weight: Tensor, bias: bool) -> None:
        inputs = part.features.double()
        if bias:
            inputs = torch.cat([inputs, part.kept_balance.double()[..., None]], dim=2)
        inputs = inputs - inputs.mean(dim=1, keepdim=True)
        outputs = part.outputs.double()
        outputs = outputs - outputs.mean(dim=1, keepdim=True)
        # One scale for all heads of a statement: how they compare must stay.
        size = inputs[..., : self._heads].square().sum(dim=(1, 2)).sqrt().clamp_min(_TINY)
        spread = outputs.norm(dim=1).clamp_min(_TINY)
        inputs = (inputs * (weight.sqrt() / size)[:, None, None]).flatten(0, 1)
        outputs = (outputs * (weight.sqrt() / spread)[:, None]).flatten()
        self._gram += inputs.T @ inputs
        self._moment += inputs.T @ outputs

    def solve(self, strength: float, *, non_negative: bool) -> tuple[Tensor, float]:
        """Return (layers · heads,) coefficients, and the bias, 0 without one.

        Args:
            strength: Strength of the penalty, as a share of the mean diagonal.
            non_negative: Whether to find the best coefficients among those of 0 and above.
        """
        diagonal = self._gram.diagonal()
        penalty = torch.full_like(diagonal, strength * float(diagonal[: self._heads].mean()))
        # The bias is free, as always in a ridge, but for what keeps the equations solvable.
        penalty[self._heads :] = _LEAST_STRENGTH * diagonal[self._heads :]
        matrix = self._gram + torch.diag(penalty.clamp_min(_TINY))
        solution = torch.linalg.solve(matrix, self._moment)
        if non_negative:
            solution = _projected(matrix, self._moment, self._heads)
        return solution[: self._heads].float(), float(solution[self._heads :].sum())

    def solve_from(self, start: Tensor, strength: float) -> Tensor:
        """Return (layers · heads,) coefficients that the penalty pulls to others, not to 0.

        Args:
            start: (layers · heads,): coefficients to begin with, of any scale; how large they are
                to be is found first.
            strength: Strength of the penalty, as a share of the mean diagonal.
        """
        gram, moment = self._gram[: self._heads, : self._heads], self._moment[: self._heads]
        begun = start.double()
        pulled = gram @ begun
        scale = max(float(moment @ begun), 0.0) / max(float(pulled @ begun), _TINY)
        penalty = max(strength * float(gram.diagonal().mean()), _TINY)
        matrix = gram + penalty * torch.eye(self._heads, dtype=torch.double)
        change = torch.linalg.solve(matrix, moment - scale * pulled)
        solution: Tensor = scale * begun + change
        return solution.float()


def _example_weights(example: Tensor) -> Tensor:
    place, counts = grouped(example)
    return counts.double()[place].reciprocal()


def _projected(matrix: Tensor, moment: Tensor, heads: int) -> Tensor:
    """Minimise ½ xᵀ matrix x - momentᵀ x, heads not below 0, by accelerated projected descent.

    Args:
        matrix: (n, n), positive definite: the products of the features with one another.
        moment: (n,): the products of the features with the outputs.
        heads: How many coefficients, from the first on, must not be negative.
    """
    step = 1.0 / float(torch.linalg.eigvalsh(matrix)[-1])
    solution = torch.zeros_like(moment)
    ahead, momentum = solution, 1.0
    for _ in range(_PROJECTED_STEPS):
        moved = ahead - step * (matrix @ ahead - moment)
        projected = torch.cat([moved[:heads].clamp(min=0), moved[heads:]])
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = projected + (momentum - 1) / following * (projected - solution)
        solution, momentum = projected, following
    return solution
