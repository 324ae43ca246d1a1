"""What coefficients are learned from: signed attention, and what ablations did (section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from at2_rag.ablation.masking import DEFAULT_BYTE_LIMIT
from at2_rag.ablation.task import AttributionTask
from at2_rag.attention.folds import HeadFold
from at2_rag.attention.recording import AttentionCapture
from at2_rag.attention.same_tokens import same_token
from at2_rag.errors import InputError, NumericalError
from at2_rag.methods.heads import head_fold, read_once
from at2_rag.training.detail import SourceDetail, detail_folds, source_detail


@dataclass(frozen=True, eq=False)
class AblationData:
    """The features and outputs of one example under its ablations.

    Attributes:
        features: (targets, ablations, layers · heads), float32: the sum over sources of ±1 (kept
            or dropped) times attention, layer-major; twice as wide with copying. Unitless.
        outputs: (targets, ablations), float32: log p / (1 - p) of each whole target, in logits.
        log_probabilities: (targets, ablations), float32: log p of each target, in nats.
        detail: Attention by source, and what leaving each out alone does; ``None`` if not wanted.
    """

    features: Tensor
    outputs: Tensor
    log_probabilities: Tensor
    detail: SourceDetail | None = None


def signed_features(attention: Tensor, masks: Tensor) -> Tensor:
    """Return the features of a linear surrogate model whose inputs are ±1 (section 3.2).

    With ±1 instead of 0 and 1, predictions change by the same affine map for all ablations of a
    target, which no correlation sees.

    Args:
        attention: (layers, heads, targets, sources): what
            :func:`at2_rag.methods.heads.head_features` returned.
        masks: (ablations, sources), true (or 1) where a source is kept.

    Returns:
        (targets, ablations, layers · heads), float32, layer-major.

    Raises:
        InputError: If there is not one column of the masks per source.
    """
    if masks.dim() != 2 or masks.shape[1] != attention.shape[3]:
        raise InputError(
            f"masks have the shape {tuple(masks.shape)}; expected (ablations, "
            f"{attention.shape[3]}), one column per source."
        )
    signs = 2.0 * masks.float() - 1.0
    return torch.einsum("lhts,as->talh", attention, signs).flatten(2)


def ablation_data(
    task: AttributionTask,
    masks: Tensor,
    capture: AttentionCapture,
    byte_limit: int = DEFAULT_BYTE_LIMIT,
    *,
    copying: bool = False,
    detail: bool = False,
) -> AblationData:
    """Run one example's ablations and return what there is to learn from them.

    Args:
        task: The answer to explain, with its sources and targets.
        masks: (ablations, sources), true (or 1) where a source is kept.
        capture: The capture of the task's model.
        byte_limit: Bound on the logits of one batch of ablations, in bytes.
        copying: Whether to append the features of copying coefficients, as many again.
        detail: Whether to keep attention by source and to leave out each source alone as well.

    Raises:
        InputError: If there is not one column of the masks per source.
        NumericalError: If attention, logits or probabilities are NaN or infinite.
    """
    # First, because it is one pass, where ablations are many: what cannot be used shows early.
    folds = _attention(task, capture, copying=copying, detail=detail)
    effects = task.ablator(byte_limit).ablate(masks)
    outputs = torch.stack([effects.logit(*target) for target in task.targets])
    log_probabilities = effects.log_probabilities(task.targets)
    if not bool(torch.isfinite(outputs).all()):
        raise NumericalError(
            "A statement's logit became infinite under ablation; expected a probability strictly "
            "between 0 and 1. Load the model in a wider type, or leave this example out."
        )
    found = source_detail(task, (folds[0], folds[1]), byte_limit) if detail else None
    if found is None:
        attention = [fold.features for fold in folds]
    else:
        layers_and_heads = capture.shape.layers, capture.shape.heads
        attention = [part.unflatten(0, layers_and_heads) for part in found.target_means()]
    features = torch.cat([signed_features(part, masks) for part in attention], dim=-1)
    return AblationData(features, outputs.float(), log_probabilities.float(), found)


@torch.inference_mode()
def _attention(
    task: AttributionTask, capture: AttentionCapture, *, copying: bool, detail: bool
) -> tuple[HeadFold, ...]:
    """Return the folds, after one pass: to all tokens, and, if wanted, to equal ones."""
    counted = same_token(task.ids[:-1], task.ids[task.prompt_length :])
    folds: tuple[HeadFold, ...]
    if detail:
        folds = detail_folds(task, capture.shape, counted)
    else:
        both = (None, counted) if copying else (None,)
        folds = tuple(head_fold(task, capture, part) for part in both)
    read_once(task, capture, *folds)
    return folds
