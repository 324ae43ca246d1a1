"""Loading what a command needs, with errors that fit on a line."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from at2_rag.cli.console import note, one_line, spinner
from at2_rag.errors import At2Error, InputError

if TYPE_CHECKING:
    from at2_rag import Reader

#: Stands for the model inside this package.
DEMO = "demo"
#: A model that answers well for its size, to name in examples.
EXAMPLE_MODEL = "Qwen/Qwen2.5-1.5B-Instruct"

#: Score estimators for citing passages that the authors of the method have published.
PUBLISHED_ESTIMATORS = {
    "google/gemma-3-4b-it": "madrylab/at2-gemma-3-4b-it",
    "meta-llama/Llama-3.1-8B-Instruct": "madrylab/at2-llama-3.1-8b-instruct",
    "microsoft/Phi-4-mini-instruct": "madrylab/at2-phi-4-mini-instruct",
    "Qwen/Qwen2.5-7B-Instruct": "madrylab/at2-qwen2.5-7b-instruct",
}


def load_reader(
    name: str, *, dtype: str = "auto", device: str = "auto", estimator: str | None = None
) -> Reader:
    """Load a reader, with its estimator, onto a device.

    Raises:
        At2Error: If the model cannot be loaded or is not supported.
        InputError: If there is no such folder or device.
    """
    check_name(name)
    with _waiting_for(name):
        from at2_rag import AverageAttentionWarning, Reader
        from at2_rag.loading import load_estimator

        place = _device(device)
        if name == DEMO:
            reader = Reader.demo()
        else:
            with reworded(f"The model {name!r} cannot be loaded"), warnings.catch_warnings():
                # The command says the same in its own words, with its own options.
                warnings.simplefilter("ignore", AverageAttentionWarning)
                reader = Reader.from_pretrained(name, dtype=dtype)
        reader.model.to(place)
        if estimator is None:
            return reader
        with reworded(f"The score estimator {estimator!r} cannot be loaded"):
            # A path to nothing should not be asked for at the hub.
            where = Path(estimator) if _is_path(estimator) else estimator
            found = load_estimator(where, reader.model)
        return Reader(reader.model, reader.tokenizer, estimator=found)


def check_name(name: str) -> None:
    """Refuse a path to nothing, which the hub would be asked for otherwise.

    Raises:
        InputError: If the name can only be a path, and nothing is there.
    """
    if _is_path(name) and not Path(name).is_dir():
        raise InputError(
            f"{name!r} is no folder with a model; expected one, {DEMO}, or a hub id such as "
            f"{EXAMPLE_MODEL}."
        )


def _is_path(name: str) -> bool:
    """Whether a name cannot be a hub id."""
    return not name or name.startswith((".", "/", "~")) or name.count("/") > 1


@contextmanager
def reworded(problem: str) -> Iterator[None]:
    """Turn what the libraries below raise while loading into an error of ours.

    Their messages are kept up to the first blank line, which is where advice for programmers
    starts.
    """
    try:
        yield
    except At2Error:
        raise
    except Exception as error:  # of many libraries, which share no base class
        reason = one_line(str(error).strip().split("\n\n")[0]) or type(error).__name__
        raise At2Error(f"{problem}: {reason}") from error


@contextmanager
def _waiting_for(name: str) -> Iterator[None]:
    """Show a spinner; or the hub's own progress, where a model may have to be downloaded."""
    if not _is_at_hand(name):
        note(f"loading {name} from the hub, where it has not been downloaded before")
        yield
        return
    with spinner(f"loading {name}"):
        silence_transformers()
        yield


def silence_transformers() -> None:
    """Leave the terminal to the spinner."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _is_at_hand(name: str) -> bool:
    if name == DEMO or Path(name).exists():
        return True
    from huggingface_hub import try_to_load_from_cache

    with reworded(f"The model {name!r} cannot be loaded"):
        return isinstance(try_to_load_from_cache(name, "config.json"), str)


def _device(name: str) -> Any:
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(
            f"--device is {name!r}, which cannot be used here; expected auto, cpu, or a device "
            f"that torch can reach. {reason}"
        ) from error
    return device
