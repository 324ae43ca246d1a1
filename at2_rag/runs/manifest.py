"""What a run depends on: its model and settings, and in words how two runs differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from reprlib import repr as short
from typing import Any

import safetensors
import torch
import transformers

from at2_rag import __version__
from at2_rag.attention.recording import inspect_attention
from at2_rag.estimators.fingerprints import config_fingerprint, weights_fingerprint
from at2_rag.reader import Reader

#: Said in the manifest, but free to differ between the shards of a run: what was computed is the
#: same wherever the model lay and whichever release ran it.
_INFORMATIVE = ("versions", "model.name", "model.commit")

#: Settings of the reader that records depend on; the others are about citations.
_SETTINGS = (
    "source_kinds",
    "system",
    "template_options",
    "prompt",
    "max_passages",
    "thinking",
    "max_new_tokens",
    "language",
)


def reader_manifest(reader: Reader) -> dict[str, Any]:
    """Return what a reader's answers depend on, as plain JSON types."""
    settings = asdict(reader.settings)
    manifest = {
        "model": _model(reader),
        "chat_template": reader.tokenizer.chat_template,
        "tokens": len(reader.tokenizer),
        "settings": {name: settings[name] for name in _SETTINGS},
        "versions": {
            "at2_rag": __version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "safetensors": safetensors.__version__,
        },
    }
    # Options of a template may be anything, such as a tool's function.
    plain: dict[str, Any] = json.loads(json.dumps(manifest, default=str))
    return plain


def differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Return, in words, what keeps two manifests from being of one run."""
    ours, theirs = dict(_flat(stored)), dict(_flat(given))
    keys = sorted(key for key in {*ours, *theirs} if not key.startswith(_INFORMATIVE))
    missing = object()
    differing = [k for k in keys if ours.get(k, missing) != theirs.get(k, missing)]
    result = [f"{k} is {short(theirs.get(k))}, there {short(ours.get(k))}" for k in differing]
    if any(key.startswith("model.") and key != "model.dtype" for key in differing):
        own, other = theirs.get("model.name"), ours.get("model.name")
        there = " in both" if own == other else f", there {other}"
        result.append(f"the model is {own}{there}")
    if "model.dtype" in differing:
        name = str(ours.get("model.dtype"))
        result.append(f'dtype="{name}" (--dtype {name}) loads it as it was there')
    return result


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from _flat(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item


def _model(reader: Reader) -> dict[str, Any]:
    shape = inspect_attention(reader.model)
    config = reader.model.config
    return {
        "name": reader.name,
        "commit": getattr(config, "_commit_hash", None),
        "dtype": str(reader.model.dtype).removeprefix("torch."),
        "layers": shape.layers,
        "heads": shape.heads,
        "config": config_fingerprint(config.to_dict()),
        "weights": weights_fingerprint(reader.model),
    }
