"""What a reader's arguments must be, said before anything is run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from reprlib import repr as short
from typing import Any, Literal

from torch.nn import Module

from at2_rag.answer.pruning import check_count
from at2_rag.documents.conversation import checked_history
from at2_rag.errors import InputError
from at2_rag.estimators import ScoreEstimator
from at2_rag.prompt.settings import Settings

#: Methods of a reader that components are told options of.
CallName = Literal["answer", "rank", "attribute", "audit"]

#: Those of them that have the model write, so that options of ``model.generate`` will do.
WRITING = ("answer", "rank")

#: What each of them takes by name beside settings and options of ``model.generate``.
OWN_OPTIONS: Mapping[CallName, frozenset[str]] = {
    "answer": frozenset({"history", "prune_to"}),
    "rank": frozenset({"history"}),
    "attribute": frozenset({"history", "thoughts"}),
    "audit": frozenset(),
}


def as_tuples(name: str, values: object, length: int, expected: str) -> list[Any]:
    """Return what a caller gave several of, each a tuple.

    Args:
        name: What the argument is called.
        values: What was given.
        length: How many values each tuple has.
        expected: What the tuples hold, in words.

    Raises:
        InputError: If they are something else.
    """
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        raise InputError(f"{name} is a {type(values).__name__}; expected {expected}.")
    found = list(values)
    for index, value in enumerate(found):
        if not isinstance(value, tuple | list) or len(value) != length:
            raise InputError(f"{name}[{index}] is {short(value)}; expected {expected}.")
    return found


def check_parts(model: object, tokenizer: object) -> None:
    """Raise ``InputError`` for what is no model or tokenizer of transformers, or is compiled."""
    if not isinstance(model, Module):
        raise InputError(
            f"model is a {type(model).__name__}; expected a model of transformers. "
            "Reader.from_pretrained takes hub ids and folders."
        )
    if not hasattr(tokenizer, "is_fast"):
        raise InputError(
            f"tokenizer is a {type(tokenizer).__name__}; expected the model's fast tokenizer, from "
            "AutoTokenizer.from_pretrained."
        )
    if hasattr(model, "_orig_mod") or getattr(model, "_compiled_call_impl", None):
        raise InputError(
            "The model was compiled by torch, and its attention cannot be followed; expected the "
            "model itself, as from_pretrained returns it."
        )


def check_kind(name: str, value: object, kinds: tuple[type, ...]) -> None:
    """Raise ``InputError`` unless an argument is of one of these kinds."""
    if not isinstance(value, kinds):
        expected = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
        raise InputError(f"{name} is a {type(value).__name__}; expected {expected}.")


def check_estimator(estimator: object) -> None:
    """Raise ``InputError`` for what is no estimator, nor where to load one from."""
    check_kind("estimator", estimator, (ScoreEstimator, str, Path, type(None)))


def check_settings(settings: object) -> None:
    """Raise ``InputError`` for what is no :class:`Settings`; ``None`` stands for some."""
    check_kind("settings", settings, (Settings, type(None)))


def check_method(method: object) -> None:
    """Raise ``InputError`` at the name of no method, before a model is probed for its heads."""
    if isinstance(method, str):
        # Which who answers by attention alone never needs.
        from at2_rag.methods import check_method_name

        check_method_name(method)


def check_names(options: Mapping[Any, Any]) -> None:
    """Raise ``InputError`` unless all options have names."""
    for name in options:
        if not isinstance(name, str):
            raise InputError(f"an option is called {name!r}; expected its name as text.")


def check_own(name: str, value: Any) -> None:
    """Raise ``InputError`` unless an argument of :data:`OWN_OPTIONS` can be used.

    Args:
        name: What the argument is called.
        value: What it is given.
    """
    if name == "history":
        checked_history(value)
    elif name == "thoughts":
        check_kind(name, value, (str, type(None)))
    elif value is not None:
        check_count(name, value)
