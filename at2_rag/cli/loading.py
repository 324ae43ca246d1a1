"""Loading what a command needs, with errors that fit on a line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from enum import Enum
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from at2_rag.cli.console import note, note_now, one_line, spinner
from at2_rag.errors import At2Error, ContextOverflowError, InputError
from at2_rag.known_estimators import AUTO, AVERAGE
from at2_rag.model.names import gguf_of, is_path

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from at2_rag import PromptTemplate, Reader, ScoreEstimator

#: Stands for the model inside this package.
DEMO = "demo"
#: A model that answers well for its size, to name in examples.
EXAMPLE_MODEL = "Qwen/Qwen2.5-1.5B-Instruct"


def note_demo_reader(name: str | None) -> None:
    """Tell whoever names no model what answers, and how to name one."""
    if name is None:
        note(
            "no --model was given, so the demo reader answers, which knows a made-up world and "
            f"nothing else. Name a real one: --model {EXAMPLE_MODEL}"
        )


@contextmanager
def naming_demo_reader(name: str | None) -> Iterator[None]:
    """Say of a prompt that is too long whose context it is, where nobody named a model.

    Raises:
        ContextOverflowError: In the place of the one that was raised.
    """
    try:
        yield
    except ContextOverflowError as error:
        if name is not None:
            raise
        raise ContextOverflowError(
            f"{error} No --model was given, so that is the context of the tiny demo reader. Name a "
            f"real one: --model {EXAMPLE_MODEL}",
            error.excess,
        ) from error


def load_reader(
    name: str | None,
    *,
    dtype: str = "auto",
    device: str = "auto",
    estimator: str | None = None,
    **settings: Any,
) -> Reader:
    """Load a reader, with its estimator, onto a device.

    Args:
        name: Hub id or folder of the model, or a GGUF file, or ``demo``; ``None`` for that one.
        dtype: Number format of the model's weights.
        device: Where to put the model; ``auto`` for a GPU if there is one.
        estimator: Path or hub id of the score estimator; ``auto`` for whichever can be found;
            ``average`` for average attention. The demo reader has its own, which is meant by
            ``auto``. Which one is used is told in a note, but for ``None``, which stands for what
            needs no search: the demo reader's own, and average attention.
        settings: Settings of the reader, by name.

    Raises:
        At2Error: If the model cannot be loaded or is not supported.
        InputError: If there is no such folder or device.
    """
    name = DEMO if name is None else name
    check_name(name)
    with _waiting_for(name):
        from at2_rag import Reader

        place = _device(device)
        with reworded(f"The model {name!r} cannot be loaded"):
            model, tokenizer = _model(name, dtype, place)
        found = find_estimator(estimator, name, model, tokenizer, settings.get("prompt"))
        return Reader(model, tokenizer, found, **settings)


def _model(
    name: str, dtype: str, device: torch.device
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    from at2_rag.model.loading import load_demo_model, load_model

    if name == DEMO:
        model, tokenizer = load_demo_model()
        model.to(device)
        return model, tokenizer
    # Unpacking a GGUF file has a bar of its own that nothing turns off.
    unpacked = gguf_of(name) is not None
    with redirect_stderr(StringIO()) if unpacked else nullcontext():
        return load_model(name, {"dtype": dtype}, device)


def find_estimator(
    wanted: str | None,
    name: str,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompt: PromptTemplate | None,
) -> ScoreEstimator:
    """Find a score estimator, and tell in a note which one is used.

    Args:
        wanted: As ``estimator`` of :func:`load_reader`.
        name: What the model was loaded by.
        model: The model, as transformers loaded it.
        tokenizer: The model's tokenizer.
        prompt: The template that the reader will ask with; ``None`` for the model's own.

    Raises:
        At2Error: If there is no such estimator, or it is for another model.
    """
    from at2_rag import ScoreEstimator
    from at2_rag.model.loading import load_demo_estimator

    if wanted is None:
        return load_demo_estimator() if name == DEMO else ScoreEstimator.uniform(model)
    if name == DEMO and wanted == AUTO:
        used, said = load_demo_estimator(), "the demo reader's own learned estimator"
    elif wanted == AVERAGE:
        used, said = ScoreEstimator.uniform(model), "average attention"
    elif wanted == AUTO:
        used, said = _whichever(model, tokenizer, prompt)
    else:
        used, said = _named(wanted, model, tokenizer), f"learned estimator {wanted}"
    note(f"scored by: {said}")
    return used


def _whichever(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt: PromptTemplate | None
) -> tuple[ScoreEstimator, str]:
    from at2_rag.estimators.find import resolve_estimator

    found = resolve_estimator(model, tokenizer, prompt=prompt)
    return found.estimator, found.summary


def _named(
    wanted: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> ScoreEstimator:
    from at2_rag.model.loading import load_estimator

    with reworded(f"The score estimator {wanted!r} cannot be loaded"):
        # A path to nothing should not be asked for at the hub.
        return load_estimator(Path(wanted) if is_path(wanted) else wanted, model, tokenizer)


def score_setting(score_by: Enum) -> dict[str, Any]:
    """Return the reader's setting that an option means, and tell what it changes in a note.

    Args:
        score_by: What sources are scored by, by name.
    """
    if score_by.value == "gradient":
        note("cited by: what each statement owes to each source, in nats (--score-by gradient)")
    return {"score_by": score_by.value}


def rank_setting(rank_by: Enum, prune_to: int | None) -> dict[str, Any]:
    """Return the reader's setting that an option means, and tell where it changes nothing.

    Args:
        rank_by: What passages are ranked by, by name.
        prune_to: How many passages to keep; ``None`` for all.
    """
    if prune_to is None and rank_by.value != "draft":
        note("--rank-by ranks passages to prune them; without --prune-to, nothing is pruned")
    return {"rank_by": rank_by.value}


def proof_settings(prove: int | None, prove_by: Enum | None) -> dict[str, Any]:
    """Return the reader's settings that two options mean; none where they were not given.

    Args:
        prove: How many sources of each statement to leave out.
        prove_by: What they are hidden from, by name.

    Raises:
        InputError: If it is said how to prove, and not how many.
    """
    if prove_by is None:
        return {} if prove is None else {"prove": prove}
    if prove is None:
        raise InputError(
            f"--prove-by {prove_by.value} was given without --prove; expected both, such as "
            f"--prove 3 --prove-by {prove_by.value}."
        )
    return {"prove": prove, "prove_by": prove_by.value}


def prompt_setting(prompt: str | None) -> dict[str, PromptTemplate]:
    """Return the reader's setting that an option means, by name; none where it was not given.

    Args:
        prompt: The name of a template, or the path of a text file that is one.

    Raises:
        InputError: If there is neither, or the file is no template.
    """
    return {} if prompt is None else {"prompt": template_of(prompt)}


def template_of(prompt: str) -> PromptTemplate:
    """Return the template that an option means.

    Args:
        prompt: The name of a template, or the path of a text file that is one.

    Raises:
        InputError: If there is neither, or the file is no template.
    """
    from at2_rag.prompt.template import NAMED, PromptTemplate, as_template

    path = Path(prompt).expanduser()
    if prompt in NAMED:
        return as_template(prompt)
    if not path.is_file():
        raise InputError(
            f"--prompt is {prompt!r}, and there is no such file; expected {', '.join(NAMED)}, or a "
            "text file with {passages} and {question}."
        )
    try:
        return PromptTemplate(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The prompt {prompt!r} cannot be read: {error}") from error


def check_name(name: str) -> None:
    """Refuse a path that stands for no model, before anything is loaded.

    Raises:
        InputError: If the name can only be a path, and nothing is there; or if it is a folder with
            several GGUF files, or a file of another kind.
    """
    if name != DEMO:
        gguf_of(name)


_NOT_REACHED = (
    "there is no such folder, it is not among what was downloaded before, and the hub cannot be "
    "reached (or is not to be, where HF_HUB_OFFLINE is set). Expected a folder, or a name that the "
    "hub knows, such as Qwen/Qwen2.5-1.5B-Instruct."
)


@contextmanager
def reworded(problem: str) -> Iterator[None]:
    """Turn what the libraries below raise while loading into an error of ours.

    Their messages are kept up to the first blank line, which is where advice for programmers
    starts. Of a hub that is not asked or not reached, what that means is said instead.
    """
    try:
        yield
    except At2Error:
        raise
    except Exception as error:  # of many libraries, which share no base class
        reason = one_line(str(error).strip().split("\n\n")[0]) or type(error).__name__
        if "couldn't connect to" in reason:
            reason = _NOT_REACHED
        raise At2Error(f"{problem}: {reason}") from error


@contextmanager
def missing_as_input_error() -> Iterator[None]:
    """Say that something is not installed as any other wrong command, in a line."""
    try:
        yield
    except ImportError as error:
        raise InputError(str(error)) from error


@contextmanager
def _waiting_for(name: str) -> Iterator[None]:
    """Show a spinner; or the hub's own progress, where a model may have to be downloaded."""
    if not is_at_hand(name):
        note_now(f"loading {name} from the hub, where it has not been downloaded before")
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


def is_at_hand(name: str) -> bool:
    """Tell whether a model is on this machine, so that nothing is downloaded to load it."""
    if name == DEMO or Path(name).exists():
        return True
    from huggingface_hub import try_to_load_from_cache

    with reworded(f"The model {name!r} cannot be loaded"):
        return isinstance(try_to_load_from_cache(name, "config.json"), str)


def _device(name: str) -> torch.device:
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # which a device that only pretends to be one has not
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(
            f"--device is {name!r}, which cannot be used here; expected auto, cpu, or a device "
            f"that torch can reach. {reason}"
        ) from error
    return device
