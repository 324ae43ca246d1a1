"""Methods by name, as they are written on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable

from at2_rag.errors import InputError
from at2_rag.estimators import ScoreEstimator
from at2_rag.methods.attention import AttentionMethod
from at2_rag.methods.base import AttributionMethod
from at2_rag.methods.blend import BlendMethod
from at2_rag.methods.gradient import GradientMethod
from at2_rag.methods.knockout import KnockoutMethod
from at2_rag.methods.knockout_gradient import KnockoutGradientMethod
from at2_rag.methods.leave_one_out import LeaveOneOutMethod
from at2_rag.methods.overlap import WordOverlapMethod
from at2_rag.methods.random import RandomMethod
from at2_rag.methods.surrogate import SurrogateMethod


def _at2(estimator: ScoreEstimator | None, seed: int) -> AttributionMethod:
    if estimator is None or estimator.kind == "uniform":
        given = "none" if estimator is None else "a uniform one"
        raise InputError(
            f"The method at2 was given {given} for an estimator; expected learned coefficients. "
            "Pass ScoreEstimator.load(...) or .from_hub(...), or use average-attention."
        )
    return AttentionMethod(estimator)


_METHODS: dict[str, Callable[[ScoreEstimator | None, int], AttributionMethod]] = {
    "at2": _at2,
    "average-attention": lambda estimator, seed: AttentionMethod(),
    "bm25": lambda estimator, seed: WordOverlapMethod(),
    "bm25-with-question": lambda estimator, seed: WordOverlapMethod(with_question=True),
    "gradient": lambda estimator, seed: GradientMethod(),
    "knockout": lambda estimator, seed: KnockoutMethod(),
    "knockout-gradient": lambda estimator, seed: KnockoutGradientMethod(),
    "leave-one-out": lambda estimator, seed: LeaveOneOutMethod(),
    "random": lambda estimator, seed: RandomMethod(seed),
}

#: Methods whose names end in a number: of random ablations, of which the paper has 32, 64, 128 and
#: 256, and of sources that are tried.
_NUMBERED: dict[str, Callable[[int, int], AttributionMethod]] = {
    "esm": lambda number, seed: SurrogateMethod(number, seed=seed),
    "knockout": lambda number, seed: KnockoutMethod(number),
}

#: Every name; N is any number of at least 1.
METHOD_NAMES = (*sorted([*_METHODS, *(f"{name}-N" for name in _NUMBERED)]),)


def check_method_name(name: str) -> None:
    """Check that there is a method of a name, before a model is asked for anything.

    Args:
        name: As :func:`method_by_name` takes it.

    Raises:
        InputError: If there is no such method.
    """
    for part in name.split("+"):
        if part.strip() not in _METHODS and _numbered(part.strip()) is None:
            raise InputError(
                f"There is no method {part.strip()!r}; expected one of {', '.join(METHOD_NAMES)}, "
                "where N is a number of at least 1, of ablations in esm-32, of sources that are "
                "tried in knockout-4; or several of them, such as at2+bm25."
            )


def _numbered(name: str) -> tuple[str, int] | None:
    """Return the two parts of a name that ends in a number; ``None`` of another."""
    kind, _, number = name.rpartition("-")
    is_number = re.fullmatch(r"0*[1-9]\d*", number) is not None
    return (kind, int(number)) if kind in _NUMBERED and is_number else None


def method_by_name(
    name: str, estimator: ScoreEstimator | None = None, seed: int = 0
) -> AttributionMethod:
    """Return the method that goes by a name.

    Args:
        name: One of ``METHOD_NAMES``, such as ``"at2"`` or ``"esm-32"``; or several with ``+``
            between them, such as ``"at2+bm25"``, for the mean of their shares.
        estimator: Learned coefficients, which only ``"at2"`` needs.
        seed: Which random numbers the method draws; the same seed draws the same ones for the same
            task.

    Raises:
        InputError: If there is no such method, or ``"at2"`` has no learned coefficients.
    """
    check_method_name(name)
    if "+" in name:
        parts = [part.strip() for part in name.split("+")]
        return BlendMethod(tuple(method_by_name(part, estimator, seed) for part in parts))
    if name in _METHODS:
        return _METHODS[name](estimator, seed)
    found = _numbered(name)
    assert found is not None  # which was checked
    kind, number = found
    return _NUMBERED[kind](number, seed)
