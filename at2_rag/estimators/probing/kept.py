"""What probing found, kept in the user's cache: a model is asked once."""

from __future__ import annotations

import logging
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

from filelock import FileLock
from huggingface_hub import cached_assets_path
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from at2_rag.errors import At2Error
from at2_rag.estimators.files import EstimatorRecord, read_record, write_record
from at2_rag.estimators.fingerprints import reading_fingerprint
from at2_rag.estimators.probing.probe import NUM_PROBES, probe
from at2_rag.estimators.probing.questions import PROBE_VERSION
from at2_rag.prompt.settings import Settings, settings_for
from at2_rag.prompt.template import PromptTemplate
from at2_rag.prompt.tokens import require_fast

_log = logging.getLogger(__name__)

#: A probe that takes longer shows how far it is.
_PATIENCE_SECONDS = 2.0


def probed_record(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    prompt: PromptTemplate | None = None,
    anew: bool = False,
    home: Path | None = None,
) -> EstimatorRecord:
    """Return what probing a model finds, from the cache where it was found before.

    Threads and processes may ask at once; one of them probes, and the others wait for it. A cache
    that cannot be written to is done without.

    Args:
        model: A decoder whose attention can be recorded.
        tokenizer: The model's tokenizer.
        prompt: The template that probes are asked with; ``None`` for the model's own, or the
            default.
        anew: Whether to probe even if the model was probed before.
        home: Folder to keep it in; ``None`` for the hub's cache of assets.

    Raises:
        InputError: If the tokenizer is no fast one.
        UnsupportedModelError: If the model's attention weights cannot be had exactly.
    """
    require_fast(tokenizer)
    settings = settings_for(model)
    settings = replace(settings, prompt=prompt or settings.prompt)
    try:
        folder = (home or cached_assets_path("at2-rag", "probed")) / reading_fingerprint(
            model, tokenizer, PROBE_VERSION, astuple(settings.prompt)
        )
        lock = FileLock(f"{folder}.lock")
        with lock:
            return _without_names(_kept(folder, model, tokenizer, settings, anew=anew))
    except OSError as error:
        _log.warning("What probing finds is not kept: %s", error)
        return _probe(model, tokenizer, settings)


def probed_before(name: str, home: Path | None = None) -> dict[str, Any] | None:
    """Return what is worth knowing of a probe that is kept; ``None`` if there is none.

    Args:
        name: What the model is loaded by; of several models that were loaded by one name, the one
            that was met last.
        home: Folder that probes are kept in; ``None`` for the hub's cache of assets.
    """
    folders = (home or cached_assets_path("at2-rag", "probed")).glob("*/")
    for folder in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True):
        record = _read(folder)
        about: dict[str, Any] = {} if record is None else record.metadata["probed"]
        if name in about.get("models", ()):
            return about
    return None


def _kept(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: Settings,
    *,
    anew: bool,
) -> EstimatorRecord:
    found = None if anew else _read(folder)
    names = [] if found is None else found.metadata["probed"].setdefault("models", [])
    if found is not None and _name_of(model) in names:
        return found
    if found is None:
        found = _probe(model, tokenizer, settings)
        names = found.metadata["probed"].setdefault("models", [])
    names.append(_name_of(model))  # the same weights may lie in several places
    try:
        write_record(found, folder)
    except OSError as error:
        _log.warning("What probing found is not kept: %s", error)
    return found


def _read(folder: Path) -> EstimatorRecord | None:
    """Return what lies in a folder; ``None`` if there is nothing, or nothing that can be read."""
    if not folder.exists():
        return None
    try:
        return read_record(folder, None)
    except At2Error as error:
        _log.warning("The model is probed again: %s", error)
        return None


def _probe(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: Settings
) -> EstimatorRecord:
    _log.warning(
        "Probing %s for the heads that read: %d passes, once; what is found is kept.",
        _name_of(model),
        NUM_PROBES,
    )
    with tqdm(
        total=NUM_PROBES,
        desc=f"Finding the heads of {_name_of(model)} that read",
        delay=_PATIENCE_SECONDS,
        disable=None,  # where there is no terminal
    ) as bar:
        return probe(model, tokenizer, settings, on_done=lambda done, total: bar.update())


def _without_names(record: EstimatorRecord) -> EstimatorRecord:
    """Return a record without what models were loaded by: paths of this machine are nobody's."""
    probed = {key: value for key, value in record.metadata["probed"].items() if key != "models"}
    return replace(record, metadata={**record.metadata, "probed": probed})


def _name_of(model: PreTrainedModel) -> str:
    return str(model.config.name_or_path or type(model).__name__)
