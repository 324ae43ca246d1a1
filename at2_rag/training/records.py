"""One example's features and outputs as a record, and as the bytes of a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from at2_rag.attention.probe import AttentionShape
from at2_rag.errors import FileFormatError, InputError
from at2_rag.training.detail import SourceDetail

#: The one key of the files' metadata: safetensors writes several in random order, and the same
#: record must always be the same bytes.
_HEADER = "record"


class SkipReason(StrEnum):
    """Why nothing can be learned from an example."""

    too_long = "too long"
    empty_answer = "empty answer"
    no_statement = "no statement"
    single_source = "single source"
    not_finite = "not finite"
    out_of_memory = "out of memory"


@dataclass(frozen=True)
class SkipRecord:
    """An example that nothing can be learned from.

    Attributes:
        id: The id of the example that was skipped.
        fingerprint: A hash of all that the example shows the model, and of its id.
        reason: Why there is nothing to learn from the example.
        detail: What exactly was found in the example, in words.
    """

    id: str
    fingerprint: str
    reason: SkipReason
    detail: str


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """What can be learned from one example.

    Attributes:
        id: The id of the example that was collected.
        fingerprint: A hash of all that the example shows the model, and of its id.
        answer: The answer that was explained.
        shape: Layers and heads of the model.
        masks: (ablations, sources), true where a source was kept.
        features: (targets, ablations, layers · heads), float32: signed attention, layer-major.
        outputs: (targets, ablations), float32: log p / (1 - p) of each statement, in logits.
        log_probabilities: (targets, ablations), float32: log p of each statement, in nats.
        detail: Attention and effects by source; ``None`` where they were not collected.
        prompt: Message of the template that the model was asked with; ``None`` where nobody noted
            it.
    """

    id: str
    fingerprint: str
    answer: str
    shape: AttentionShape
    masks: Tensor
    features: Tensor
    outputs: Tensor
    log_probabilities: Tensor
    detail: SourceDetail | None = None
    prompt: str | None = None

    def required_detail(self) -> SourceDetail:
        """Return attention and effects by source.

        Raises:
            InputError: If they were not collected.
        """
        if self.detail is None:
            raise InputError(
                f"The record {self.id!r} has no detail; expected attention by source. Collect with "
                "detail=True (at2-rag train collect --detail)."
            )
        return self.detail

    def spread(self) -> Tensor:
        """Return (targets,): how far ablations move each log-probability, in nats.

        Raises:
            InputError: If no detail was collected, which has that without any ablation.
        """
        whole = self.required_detail().whole
        seen = torch.cat([whole[:, None], self.log_probabilities], dim=1)
        return seen.amax(dim=1) - seen.amin(dim=1)

    @property
    def without_copying(self) -> TrainingRecord:
        """The same with the features of the paper's coefficients alone."""
        heads = self.shape.layers * self.shape.heads
        return replace(self, features=self.features[..., :heads])

    def to_bytes(self) -> bytes:
        """Return a safetensors file; equal records give equal bytes.

        Features are halved to float16, as the published implementation stores them, but each
        head's are first divided by its largest over the ablations. Most heads look away from the
        passages, and their features, of 1e-6 and below, would have few or no bits left in
        float16, or become 0; so they keep eleven, whatever their size.
        """
        features, scale = _halved(self.features, (1,))
        tensors = {
            "features": features,
            "feature_scale": scale,
            "outputs": self.outputs.contiguous(),
            "log_probabilities": self.log_probabilities.contiguous(),
            "masks": self.masks.bool().contiguous(),
        }
        header = {
            "id": self.id,
            "fingerprint": self.fingerprint,
            "answer": self.answer,
            "layers": self.shape.layers,
            "heads": self.shape.heads,
            "prompt": self.prompt,
        }
        if self.detail is not None:
            tensors |= _detail_tensors(self.detail)
            header |= {"owners": self.detail.owners, "targets": self.detail.targets}
        header["sha256"] = _digest(tensors)
        data: bytes = save(tensors, metadata={_HEADER: json.dumps(header, sort_keys=True)})
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> TrainingRecord:
        """Return what :meth:`to_bytes` was called on, features to within float16.

        Raises:
            FileFormatError: If the bytes are no whole and unchanged record.
        """
        try:
            header = read_header(data)
            tensors = load(data)
            if _digest(tensors) != header["sha256"]:
                raise FileFormatError("its content does not match its checksum")
            return cls(
                header["id"],
                header["fingerprint"],
                header["answer"],
                AttentionShape(header["layers"], header["heads"]),
                tensors["masks"],
                tensors["features"].float() * tensors["feature_scale"],
                tensors["outputs"],
                tensors["log_probabilities"],
                _detail(header, tensors) if "owners" in header else None,
                header.get("prompt"),
            )
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, FileFormatError):
                raise
            raise FileFormatError(f"it is no whole record ({error})") from error


def prompts_of(records: Sequence[TrainingRecord]) -> tuple[str, ...]:
    """Return the messages that models were asked with; none unless every record has its own."""
    found = {record.prompt for record in records}
    return tuple(sorted(prompt for prompt in found if prompt)) if None not in found else ()


def _halved(values: Tensor, over: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return values as float16, divided by their largest over some dimensions, and these."""
    scale = values.abs().amax(dim=over, keepdim=True)
    divisor = torch.where(scale > 0, scale, torch.ones_like(scale))
    return (values / divisor).half().contiguous(), scale.contiguous()


def _detail_tensors(detail: SourceDetail) -> dict[str, Tensor]:
    attention, scale = _halved(detail.attention, (2, 3))
    return {
        "attention": attention,
        "attention_scale": scale,
        "whole": detail.whole.contiguous(),
        "none": detail.none.contiguous(),
        "alone": detail.alone.contiguous(),
        "earlier": detail.earlier.contiguous(),
    }


def _detail(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> SourceDetail:
    return SourceDetail(
        tensors["attention"].float() * tensors["attention_scale"],
        tuple(header["owners"]),
        tuple((start, end) for start, end in header["targets"]),
        tensors["whole"],
        tensors["none"],
        tensors["alone"],
        tensors["earlier"],
    )


def read_header(data: bytes) -> dict[str, Any]:
    """Return a record's header, from as many of its first bytes as hold it.

    Raises:
        ValueError: If there is none.
        KeyError: If the file is another one.
    """
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 + length:
        raise ValueError("it ends within its header")
    header: dict[str, Any] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_HEADER])
    return header


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """Return a hash of all numbers: safetensors itself notices missing bytes, not changed ones."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
