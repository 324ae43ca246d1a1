"""Models in GGUF files, as llama.cpp and ollama keep them: weights, tokenizer and chat template.

Weights are unpacked, since attention can be recorded of transformers' own layers only. What comes
out is what a folder of transformers with the same weights would give.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from struct import error as StructError
from typing import Any

import transformers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from at2_rag.errors import FileFormatError, UnsupportedModelError, missing_extra
from at2_rag.model.gguf_once import parsed_once

_NEEDED = ("gguf", "accelerate")
#: What a file's weights become where nobody says otherwise. Most have 4 to 8 bits, which bfloat16's
#: 8 do not lose much of, and the models were trained in it. float32, which transformers would
#: choose, takes twice the memory, and twice the time where the processor knows bfloat16.
_DTYPE = "bfloat16"
#: Options of ``from_pretrained`` that say where a file is.
_WHERE = ("revision", "token", "cache_dir", "local_files_only", "subfolder")


def load_gguf(
    file: str | Path, options: Mapping[str, Any], home: str | Path | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal language model and its tokenizer from a GGUF file.

    Args:
        file: Path of the file; its name, where ``home`` is given.
        options: What ``AutoModelForCausalLM.from_pretrained`` takes besides. With a ``dtype`` of
            ``"auto"``, or none, weights are in bfloat16.
        home: Folder or hub id that has the file; ``None`` for a path.

    Raises:
        MissingExtraError: If a package that reads such files is not installed.
        UnsupportedModelError: If transformers cannot read files of this architecture.
        FileFormatError: If the file cannot be read, or lacks weights.
    """
    _check_installed()
    place = _place(file, home)
    given = {"dtype": _DTYPE, **_unpacking(), **options, "gguf_file": place["gguf_file"]}
    if given["dtype"] == "auto":
        given["dtype"] = _DTYPE
    with _reworded(file), parsed_once():
        config = _config(place, options)
        where = place.pop("where")
        tokenizer = AutoTokenizer.from_pretrained(where, config=config, **place, **_of(options))
        model, found = AutoModelForCausalLM.from_pretrained(
            where, config=config, output_loading_info=True, **given
        )
    if found["missing_keys"]:
        raise FileFormatError(
            f"{file} lacks weights of {type(model).__name__}, such as "
            f"{min(found['missing_keys'])}; expected a whole model, or a newer transformers."
        )
    _like_a_folder(model)
    if home is None:
        model.config.name_or_path = str(file)
    return model, tokenizer


def gguf_config(
    file: str | Path, options: Mapping[str, Any] | None = None, home: str | Path | None = None
) -> PretrainedConfig:
    """Return the configuration of the model in a GGUF file.

    Args:
        file: Path of the file; its name, where ``home`` is given.
        options: Options of ``from_pretrained`` that say where the file is.
        home: Folder or hub id that has the file; ``None`` for a path.

    Raises:
        MissingExtraError: If a package that reads such files is not installed.
        UnsupportedModelError: If transformers cannot read files of this architecture.
        FileFormatError: If the file cannot be read.
    """
    _check_installed()
    with _reworded(file), parsed_once():
        return _config(_place(file, home), options or {})


def _config(place: Mapping[str, Any], options: Mapping[str, Any]) -> PretrainedConfig:
    rest = {name: value for name, value in place.items() if name != "where"}
    return AutoConfig.from_pretrained(place["where"], **rest, **_of(options))


def _check_installed() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise missing_extra("A GGUF file", " and ".join(missing), "gguf")


def _place(file: str | Path, home: str | Path | None) -> dict[str, Any]:
    """Return where transformers is to look for a file."""
    if home is not None:
        return {"where": home, "gguf_file": str(file)}
    # In full: transformers takes a file of this name in the working directory before any other.
    path = Path(file).absolute()
    return {"where": str(path.parent), "gguf_file": str(path)}


def _of(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in _WHERE if name in options}


def _unpacking() -> dict[str, Any]:
    """Return the option that unpacks weights; versions without it always do so."""
    kind = getattr(transformers, "GgufConfig", None)
    return {} if kind is None else {"quantization_config": kind(dequantize=True)}


def _like_a_folder(model: PreTrainedModel) -> None:
    """Forget that weights were packed, so that the model can be saved, and is told as the same."""
    quantizer = getattr(model, "hf_quantizer", None)
    if quantizer is not None:
        quantizer.remove_quantization_config(model)
    model.config.architectures = [type(model).__name__]


@contextmanager
def _reworded(file: str | Path) -> Iterator[None]:
    """Say in a line what is wrong with a file, where reading it fails for what is in it."""
    try:
        yield
    except (ValueError, LookupError, NotImplementedError, StructError) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        unknown = isinstance(error, NotImplementedError)  # a way to pack weights
        if unknown or "architecture" in reason or "Unrecognized configuration" in reason:
            raise UnsupportedModelError(
                f"{file} holds a model that transformers {transformers.__version__} cannot read "
                f"from GGUF ({reason.rstrip('.')}); expected a decoder-only one such as Llama, "
                "Qwen or Gemma, or its folder of transformers."
            ) from error
        raise FileFormatError(
            f"{file} cannot be read as a GGUF file ({type(error).__name__}: {reason}); expected "
            "a whole one. Where a download was cut off, fetch it again."
        ) from error
