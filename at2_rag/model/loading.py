"""Loading models, tokenizers and estimators from the hub, from folders and from this package."""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from reprlib import repr as short
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from at2_rag.attention.recording import inspect_attention
from at2_rag.errors import At2Error, InputError, UnsupportedModelError
from at2_rag.estimators import ScoreEstimator
from at2_rag.estimators.download import HubAccess
from at2_rag.estimators.find import auto_estimator
from at2_rag.known_estimators import AUTO, AVERAGE
from at2_rag.model.gguf import load_gguf
from at2_rag.model.names import gguf_of, is_path
from at2_rag.model.number_format import in_fast_format
from at2_rag.prompt.template import PromptTemplate

#: Options that say where a model is, which is where its tokenizer is too.
_TOKENIZER_OPTIONS = (
    "revision",
    "token",
    "cache_dir",
    "local_files_only",
    "trust_remote_code",
    "subfolder",
)

#: What the option for the number format is called, and what it was before.
_DTYPE_NAMES = ("dtype", "torch_dtype")

#: What a model's class says of an option that transformers leaves to it and it does not know.
_UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")

#: What the demo reader's model is called, wherever it lies.
DEMO_READER = "at2-rag demo reader"


def load_model(
    name: str | Path, options: dict[str, Any], device: torch.device | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal language model and its tokenizer.

    Args:
        name: Hub id or folder of the model, or a GGUF file.
        options: What ``AutoModelForCausalLM.from_pretrained`` takes besides. With a ``dtype`` of
            ``"auto"``, or none, weights are in the type of the checkpoint (of a GGUF file: in
            bfloat16), or in float32 on a processor that is slow with it.
        device: Where the model is put once it is loaded; ``None`` to leave it where the options
            put it.

    Raises:
        InputError: If it can only be a path, and nothing is there; if it is a folder with several
            GGUF files, or without a model; or if there is no such ``dtype``.
        OSError: If there is no such model, from transformers.
        UnsupportedModelError: If it is no causal language model.
        MissingExtraError: If it is a GGUF file, and what reads them is not installed.
    """
    options = _with_one_dtype(options)
    model, tokenizer = _loaded(name, options)
    if device is not None:
        model.to(device)
    told = options.get("dtype", "auto") != "auto"
    return (model if told else in_fast_format(model, stacklevel=3)), tokenizer


def _loaded(
    name: str | Path, options: dict[str, Any]
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a model and its tokenizer, where and in which type the options say."""
    if "gguf_file" in options:
        return load_gguf(options["gguf_file"], options, home=name)
    file = None if "subfolder" in options else gguf_of(name)
    if file is not None:
        return load_gguf(file, options)
    name = os.path.expanduser(name)
    shared = {key: options[key] for key in _TOKENIZER_OPTIONS if key in options}
    if Path(name, "config.json").is_file():
        AutoConfig.from_pretrained(name, **shared)  # says more of what is wrong with it
    tokenizer = AutoTokenizer.from_pretrained(name, **shared)
    try:
        # Before version 5, transformers made every checkpoint float32 that was told nothing.
        options = {"dtype": "auto", **options}
        return AutoModelForCausalLM.from_pretrained(name, **options), tokenizer
    except ValueError as error:
        if "Unrecognized configuration class" not in str(error):
            raise
        raise UnsupportedModelError(
            f"{name} is no causal language model of transformers; expected a decoder-only "
            "model, such as Llama, Qwen or Gemma."
        ) from error
    except TypeError as error:
        named = _UNEXPECTED.search(str(error))
        if named is None or named[1] not in options:
            raise
        raise InputError(
            f"Unknown option {named[1]}={short(options[named[1]])}; expected a setting, or an "
            "option of AutoModelForCausalLM.from_pretrained. Those of model.generate, such as "
            "do_sample, are given to each call: reader.answer(…, do_sample=True)."
        ) from error


def _with_one_dtype(options: dict[str, Any]) -> dict[str, Any]:
    """Return options with the number format by its one name, if they name any by that or the older.

    Raises:
        InputError: If it is the name of none, before minutes are spent on reading weights.
    """
    rest = {name: value for name, value in options.items() if name not in _DTYPE_NAMES}
    named = [options[name] for name in _DTYPE_NAMES if options.get(name) is not None]
    if not named:
        return rest
    told = named[0]
    found = getattr(torch, told, None) if isinstance(told, str) else told
    if told != "auto" and not (isinstance(found, torch.dtype) and found.is_floating_point):
        raise InputError(
            f'dtype is {told!r}; expected "auto", or a type of torch such as "bfloat16" or '
            '"float32".'
        )
    return {**rest, "dtype": told}


_DEMO = resources.files("at2_rag") / "demo_model"


def load_demo_estimator() -> ScoreEstimator:
    """Load the coefficients learned for the small model inside this package."""
    with resources.as_file(_DEMO / "estimators" / "network") as path:
        return ScoreEstimator.load(path)


def load_demo_model() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load the small model inside this package, in float32."""
    with resources.as_file(_DEMO) as path:
        tokenizer = AutoTokenizer.from_pretrained(path)
        model = AutoModelForCausalLM.from_pretrained(path, dtype="float32")
    model.config.name_or_path = DEMO_READER
    return model, tokenizer


def load_estimator(
    where: str | Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    access: HubAccess | None = None,
    *,
    prompt: PromptTemplate | None = None,
    stacklevel: int = 2,
) -> ScoreEstimator:
    """Load a score estimator for ``model`` from a folder, a file or the hub.

    Args:
        where: The estimator's folder, file or hub id; ``"auto"`` for whichever can be found for
            the model, and heads found by probing it where none can; ``"average"`` for average
            attention. A folder of such a name is ``Path("auto")``.
        model: The model that the estimator is for.
        tokenizer: The model's tokenizer.
        access: How the hub may be used.
        prompt: The template that the model is probed with; ``None`` for its own.
        stacklevel: Which caller a warning points to, as for ``warnings.warn``: 1 is this function.

    Raises:
        InputError: If nothing is there, or the name is nearly one of these two.
        FileFormatError: If it cannot be read.
        EstimatorMismatchError: If it is for another model.
    """
    if where == AUTO:
        return auto_estimator(model, tokenizer, access, prompt=prompt, stacklevel=stacklevel + 1)
    if where == AVERAGE:
        return ScoreEstimator.uniform(model)
    shape = inspect_attention(model)
    if isinstance(where, Path) or Path(where).exists():
        return ScoreEstimator.load(where, shape)
    if is_path(str(where)):
        raise InputError(
            f"There is no score estimator at {str(where)!r}; expected a folder, a file or a hub id."
        )
    if meant := get_close_matches(str(where), (AUTO, AVERAGE), n=1):
        raise InputError(
            f"There is no score estimator at {where!r}; expected a folder, a file or a hub id. Did "
            f"you mean {meant[0]!r}?"
        )
    try:
        return ScoreEstimator.from_hub(where, shape, **(access or HubAccess()).download)
    except (OSError, ValueError) as error:
        if isinstance(error, At2Error):
            raise
        raise InputError(
            f"There is no score estimator at {where!r}, and none can be had from the hub by that "
            f"name; expected a folder, a file or a hub id. {type(error).__name__}: {error}"
        ) from error
