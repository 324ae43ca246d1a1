"""What each attention head looked at while an answer was said, apart from all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from at2_rag.ablation.task import AttributionTask
from at2_rag.answer.answer import Answer
from at2_rag.attention.folds import HeadFold, SeveralFolds
from at2_rag.attention.recording import AttentionCapture, capture_of
from at2_rag.attention.same_tokens import same_token
from at2_rag.errors import InputError, NumericalError
from at2_rag.estimators import LinearEstimator, ScoreEstimator
from at2_rag.model_facts import few_logits, input_device


@dataclass(frozen=True, eq=False)
class AnswerHeads:
    """An answer, and where each head of the model looked while it was said.

    Attributes:
        answer: The answer whose statements the attention is of.
        weights: (layers, heads): what the estimator counts each head for; unitless.
        attention: (layers, heads, statements, sources): the attention that each head paid to a
            source, the mean over a statement's tokens of the sum over the source's (section 3.2).
        added: (layers, heads, statements, sources): what each head adds to a source's score. What
            all heads add is the score itself, but for a network, whose scores are no sums: there it
            is the attention by the head's weight.
    """

    answer: Answer
    weights: Tensor
    attention: Tensor
    added: Tensor

    @property
    def contributions(self) -> Tensor:
        """Return (layers, heads, statements): what each head adds to the best source's score.

        The best source of a statement is the one to which all heads together add most.
        """
        if not self.added.numel():
            return self.added.sum(dim=-1)
        best = self.added.sum(dim=(0, 1)).argmax(dim=-1)
        index = best[None, None, :, None].expand(*self.added.shape[:3], 1)
        return self.added.gather(-1, index)[..., 0]

    def top(self, k: int, statement: int | None = None) -> list[tuple[int, int, float]]:
        """Return (layer, head, contribution) of the heads that add most, the most first.

        Args:
            k: How many heads to return at most.
            statement: Index of the statement that is meant; ``None`` for the mean of all.

        Raises:
            InputError: If ``k`` is below 1, or there is no such statement.
        """
        if k < 1:
            raise InputError(f"k is {k}; expected at least 1.")
        found = self.contributions
        _, heads, count = found.shape
        if statement is not None and not 0 <= statement < count:
            raise InputError(f"statement is {statement}; expected an index below {count}.")
        by_head = found.mean(dim=-1) if statement is None else found[..., statement]
        order = by_head.flatten().argsort(descending=True, stable=True)[:k].tolist()
        return [(i // heads, i % heads, float(by_head.flatten()[i])) for i in order]

    def to_html(self, *, beside: Mapping[str, Answer] | None = None) -> str:
        """Return a page with a map of all heads, and what any of them looked at.

        Args:
            beside: The same answer by other methods, by the names they are shown by next to the
                estimator and average attention; ``None`` for none.

        Raises:
            InputError: If one beside is of another text, or has other sources.
        """
        from at2_rag.methods.heads_page import heads_page  # which draws what is here

        return heads_page(self.answer, self.weights, self.attention, self.contributions, beside)


def answer_heads(task: AttributionTask, estimator: ScoreEstimator) -> AnswerHeads:
    """Return what each head looked at while an answer was said, in a pass or two.

    Args:
        task: The answer to look into, with its sources and targets.
        estimator: What counts the heads.

    Raises:
        NumericalError: If attention is NaN or infinite.
    """
    capture, weights = capture_of(task.model), estimator.head_weights
    attention = head_features(task, capture)
    if isinstance(estimator, LinearEstimator):
        added = _added(task, capture, estimator, attention)
    else:
        added = weights[:, :, None, None] * attention
    return AnswerHeads(task.answer, weights, attention, added)


def _added(
    task: AttributionTask, capture: AttentionCapture, estimator: LinearEstimator, attention: Tensor
) -> Tensor:
    """Return (layers, heads, statements, sources): scores by each head as if it were the only one.

    Of a linear estimator these add up to the scores by all.
    """
    weightings = estimator.weightings[..., None, None]
    plain = (weightings * attention).flatten(1, 3)
    copied = plain[:0]
    if estimator.compares_tokens:
        counted = same_token(task.ids[:-1], task.ids[task.prompt_length :])
        copied = (weightings * head_features(task, capture, counted)).flatten(1, 3)
    owners = torch.tensor([s.passage_index for s in task.answer.attribution.sources])
    return estimator.rate(plain, copied, owners).view_as(attention)


@torch.inference_mode()
def head_features(
    task: AttributionTask, capture: AttentionCapture, counted: Tensor | None = None
) -> Tensor:
    """Return the attention that each head paid to each source for each target (section 3.2).

    One teacher-forced pass over prompt and answer; ``Attn(X, Y, s)`` of the paper: the mean over
    the target's tokens of the attention summed over the source's.

    Args:
        task: The answer to explain, with its sources and targets.
        capture: The capture of the task's model, from
            :func:`at2_rag.attention.recording.capture_of`.
        counted: (answer tokens, keys), what attention is multiplied by, as for
            :class:`~at2_rag.attention.folds.HeadFold`.

    Returns:
        (layers, heads, targets, sources), float32, on the CPU.

    Raises:
        NumericalError: If attention is NaN or infinite.
    """
    fold = head_fold(task, capture, counted)
    read_once(task, capture, fold)
    return fold.features


def head_fold(task: AttributionTask, capture: AttentionCapture, counted: Tensor | None) -> HeadFold:
    """Return what keeps attention by head, source and target.

    Args:
        task: The answer to explain, with its sources and targets.
        capture: The capture of the task's model.
        counted: (answer tokens, keys), what attention is multiplied by; ``None`` for 1.
    """
    shape = capture.shape
    return HeadFold(shape.layers, shape.heads, task.sources, task.targets, task.first_row, counted)


def read_once(task: AttributionTask, capture: AttentionCapture, *folds: HeadFold) -> None:
    """Read prompt and answer once, into all folds.

    Args:
        task: The answer to explain.
        capture: The capture of the task's model.
        folds: What takes in the attention.

    Raises:
        NumericalError: If attention is NaN or infinite.
    """
    model = task.model
    # The answer's last token predicts nothing that is wanted.
    tokens = torch.tensor([task.ids[:-1]], device=input_device(model))
    with capture.recording(model, SeveralFolds(*folds), first_row=task.first_row):
        model(input_ids=tokens, use_cache=False, **few_logits(model, 1))
    if not all(bool(torch.isfinite(fold.features).all()) for fold in folds):
        raise NumericalError(
            "The model's attention became NaN or infinite; expected finite numbers. Load it in a "
            'wider type (dtype="float32" or "bfloat16"), or check its weights.'
        )
