"""The score estimator that ``"auto"`` stands for: a learned one, or heads found by probing."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from at2_rag.attention.recording import inspect_attention
from at2_rag.errors import At2Error
from at2_rag.estimators.base import ScoreEstimator
from at2_rag.estimators.download import (
    HubAccess,
    cached_estimator,
    cached_repositories,
    fetch_estimator,
)
from at2_rag.estimators.files import CONFIG_FILE, LAYOUTS
from at2_rag.estimators.trained import trained_folder
from at2_rag.known_estimators import (
    THOUGHT_ESTIMATORS,
    base_model_of,
    hub_id,
    namesake,
    published_estimator,
)
from at2_rag.notices import NoHeadsWarning
from at2_rag.prompt.template import PromptTemplate

#: Where an estimator lies beside a model: in a folder of this name, in the model's own or in its
#: file's.
ESTIMATOR_FOLDER = "at2_estimator"


class ThoughtEstimatorWarning(UserWarning):
    """The score estimator was learned on thoughts, and is used for passages."""


@dataclass(frozen=True, eq=False)
class Resolution:
    """What was found for a model.

    Attributes:
        estimator: The estimator to use.
        model: Hub id or folder of the model.
        origin: Folder or hub id that learned coefficients are from; ``None`` where the model was
            probed.
        unlearned: Why no learned coefficients are used; ``None`` where they are.
    """

    estimator: ScoreEstimator
    model: str
    origin: str | None
    unlearned: str | None

    @property
    def problem(self) -> str | None:
        """What whoever uses this should know; ``None`` if there is nothing to say."""
        if self.origin in THOUGHT_ESTIMATORS:
            return (
                f"The score estimator {self.origin} was learned on which of its thoughts made "
                f"{self.model} respond as it did. How well it scores passages was not measured."
            )
        if self.origin is None and (found := _problem_of(self.estimator)) is not None:
            return (
                f"Probing {self.model}: {found}. All heads count alike, and only where they look "
                "at the very token that is said; nothing is called supported or not."
            )
        return None

    @property
    def summary(self) -> str:
        """What is used, in a short line."""
        if self.origin is not None:
            only = ", which was learned on thoughts" if self.origin in THOUGHT_ESTIMATORS else ""
            return f"learned estimator {self.origin}{only}"
        probed = self.estimator.metadata["probed"]
        if _problem_of(self.estimator) is not None:
            return "attention to equal tokens, since probing found no heads"
        return f"{len(probed['heads'])} heads found by probing the model"


def _problem_of(estimator: ScoreEstimator) -> str | None:
    """Return why probing found no heads; ``None`` if it did."""
    problem = estimator.metadata.get("probed", {}).get("problem")
    return None if problem is None else str(problem)


def auto_estimator(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    access: HubAccess | None = None,
    *,
    prompt: PromptTemplate | None = None,
    stacklevel: int = 2,
) -> ScoreEstimator:
    """Return a learned estimator for a model if one can be found, else heads found by probing it.

    Looks beside the model, in the hub's cache, and at the hub where one is published for it, and
    never fails because of a hub. A model is probed once, in some 20 passes.

    Args:
        model: The model, as transformers loaded it.
        tokenizer: The model's tokenizer.
        access: How the hub may be used.
        prompt: The template that the model is probed with; ``None`` for its own.
        stacklevel: Which caller a warning points to, as for ``warnings.warn``: 1 is this function.

    Raises:
        UnsupportedModelError: If the model's attention weights cannot be had exactly.
    """
    found = resolve_estimator(model, tokenizer, access, prompt)
    if found.problem is not None:
        kind = NoHeadsWarning if found.origin is None else ThoughtEstimatorWarning
        warnings.warn(found.problem, kind, stacklevel=stacklevel)
    return found.estimator


def resolve_estimator(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    access: HubAccess | None = None,
    prompt: PromptTemplate | None = None,
) -> Resolution:
    """Return what :func:`auto_estimator` returns and how it came to be, without a warning.

    Args:
        model: The model, as transformers loaded it.
        tokenizer: The model's tokenizer.
        access: How the hub may be used.
        prompt: The template that the model is probed with; ``None`` for its own.

    Raises:
        UnsupportedModelError: If the model's attention weights cannot be had exactly.
    """
    access = access or HubAccess()
    shape = inspect_attention(model)
    loaded_by = str(model.config.name_or_path or "")
    model_id = hub_id(loaded_by)
    name = model_id or loaded_by or type(model).__name__
    try:
        path, origin = _own(loaded_by, model, tokenizer) or _find(loaded_by, model_id, access)
        return Resolution(ScoreEstimator.load(path, shape), name, origin, None)
    except Exception as error:  # whatever a hub, a disk or a file do: the model can still be probed
        why = str(error) if isinstance(error, At2Error) else f"{type(error).__name__}: {error}"
        probed = ScoreEstimator.probe(model, tokenizer, prompt=prompt)
        return Resolution(probed, name, None, why.rstrip(". "))


def _own(
    loaded_by: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> tuple[Path, str] | None:
    """Return the user's own estimator, as a path and in words; ``None`` if there is none."""
    beside = estimator_beside(loaded_by) if loaded_by else None
    if beside is not None:
        return beside, str(beside)
    if not tokenizer.is_fast:
        return None
    trained = trained_folder(model, tokenizer)
    return (trained, str(trained)) if (trained / CONFIG_FILE).is_file() else None


def place_for_own(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Path:
    """Return where an estimator is to be put for :func:`resolve_estimator` to find it.

    In the model's folder, where that is the user's own and can be written to; else, as for a model
    of the hub or a GGUF file, in the user's cache.

    Args:
        model: The model, as transformers loaded it.
        tokenizer: The model's fast tokenizer.
    """
    loaded_by = str(model.config.name_or_path or "")
    own = bool(loaded_by) and Path(loaded_by).is_dir() and hub_id(loaded_by) is None
    if own and os.access(loaded_by, os.W_OK):
        return Path(loaded_by) / ESTIMATOR_FOLDER
    return trained_folder(model, tokenizer)


def _find(loaded_by: str, model_id: str | None, access: HubAccess) -> tuple[Path, str]:
    """Return the first estimator there is from the hub, as a path and in words.

    Raises:
        At2Error: If there is none.
    """
    if model_id is None:
        raise At2Error(_unknown_model(loaded_by))
    known = published_estimator(model_id)
    in_cache = known and cached_estimator(known, access)
    if known and in_cache:
        return in_cache, known
    own = _own_in_cache(model_id, access)
    if own is not None:
        return own
    if known is None:
        raise At2Error("none is published for this model, and none was found in the hub's cache")
    return fetch_estimator(known, access), known


def estimator_beside(model: str) -> Path | None:
    """Return the folder of the estimator that lies in a model's folder, or ``None``.

    Args:
        model: What the model is loaded by; where it is a hub id, there is nothing beside it. A
            file's is the one in the folder that it lies in.
    """
    folder = Path(model)
    if folder.is_file():
        beside = folder.parent / ESTIMATOR_FOLDER
        return beside if beside.is_dir() else None
    if (folder / ESTIMATOR_FOLDER).is_dir():
        return folder / ESTIMATOR_FOLDER
    return folder if any((folder / names[0]).is_file() for names in LAYOUTS) else None


def _own_in_cache(model_id: str, access: HubAccess) -> tuple[Path, str] | None:
    """Return a cached estimator, of whichever owner, that says it was learned on this model."""
    for repo_id in cached_repositories(access, f"at2-{model_id.split('/')[-1]}"):
        folder = cached_estimator(repo_id, access)
        if folder is not None and _learned_on(folder) == model_id.casefold():
            return folder, repo_id
    return None


def _learned_on(folder: Path) -> str | None:
    """Return the hub id, in lower case, of the model an estimator says it was learned on."""
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        name = base_model_of(config["metadata"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None if name is None else name.casefold()


def _unknown_model(loaded_by: str) -> str:
    if not loaded_by:
        return "the model does not say where it was loaded from"
    problem = f"there is no {ESTIMATOR_FOLDER} beside it, and it is no model of the hub by name"
    alike = namesake(loaded_by)
    if alike is None:
        return problem
    return f"{problem}; if it is {alike}, estimator={published_estimator(alike)!r} is for it"
