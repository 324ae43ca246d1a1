"""Short hashes that tell whether a model is the very same one as before."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from at2_rag.estimators.files import EstimatorRecord

#: Numbers of each parameter that go into the fingerprint of the weights.
_SAMPLED = 16

#: Where a model lies, what runs it, in which type, and how it is asked are not the model.
_NOT_THE_MODEL = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "at2_prompt")


def short_hash(data: bytes) -> str:
    """Return the first 16 digits of a SHA-256 sum."""
    return hashlib.sha256(data).hexdigest()[:16]


def config_fingerprint(config: dict[str, Any]) -> str:
    """Return a hash of a model's configuration.

    Args:
        config: What ``model.config.to_dict()`` returns.
    """
    kept = {key: value for key, value in config.items() if key not in _NOT_THE_MODEL}
    return short_hash(json.dumps(kept, sort_keys=True, default=str).encode())


def weights_fingerprint(model: nn.Module) -> str:
    """Return a hash of a few numbers of every parameter.

    Names are not enough: a model that was trained further may lie in the folder of the old one.
    """
    parts = []
    for name, parameter in model.named_parameters():
        parts.append(f"{name} {tuple(parameter.shape)}".encode())
        if parameter.device.type != "meta":  # offloaded, and not worth loading for this
            sample = parameter.detach().flatten()[:_SAMPLED].float().cpu()
            parts.append(sample.numpy().tobytes())
    return short_hash(b"\n".join(parts))


def record_fingerprint(record: EstimatorRecord) -> str:
    """Return a hash of everything that an estimator's scores and verdicts depend on.

    Tensors and calibrations, that is; notes on where it comes from are not in it.

    Args:
        record: Everything that the estimator's files hold.
    """
    parts = [record.kind.encode()]
    for name, value in sorted(record.tensors.items()):
        parts.append(f"{name} {tuple(value.shape)}".encode())
        parts.append(value.detach().float().cpu().contiguous().numpy().tobytes())
    calibrations = [calibration.to_dict() for calibration in record.calibrations]
    parts.append(json.dumps(calibrations, sort_keys=True).encode())
    return short_hash(b"".join(parts))


def reading_fingerprint(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, version: object, *more: object
) -> str:
    """Return a hash of a model, of how it is asked, and of what was done with both.

    Args:
        model: The model, as transformers loaded it.
        tokenizer: The model's fast tokenizer, with its chat template.
        version: Which version of what was done with them.
        more: What else it depends on.
    """
    parts = (
        version,
        config_fingerprint(model.config.to_dict()),
        weights_fingerprint(model),
        short_hash(tokenizer.backend_tokenizer.to_str().encode()),
        tokenizer.chat_template,
        *more,
    )
    return short_hash(repr(parts).encode())
