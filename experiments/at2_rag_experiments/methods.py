"""Which methods are measured: by name, and estimators beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from at2_rag.estimators import ScoreEstimator
from at2_rag.methods import AttentionMethod, AttributionMethod, method_by_name
from at2_rag.reader import Reader

#: Asks for the reader's own estimator, and what that is called where no other is learned.
AT2 = "at2"
#: What it is called among estimators that are learned in an experiment.
SHIPPED = "shipped"
#: What it is called everywhere if nobody learned it: its heads were found by probing the model.
PROBED = "probed"

#: A pass for each token is too many.
_NOT_FOR_TOKENS = ("leave-one-out",)


def has_estimator(reader: Reader) -> bool:
    """Return whether a reader has an estimator that was learned, and not average attention."""
    return reader.estimator.kind != "uniform"


def own_name(reader: Reader, learned: str = AT2) -> str:
    """Return what a reader's own estimator is called in tables and figures.

    Args:
        reader: The reader; it has an estimator.
        learned: What its estimator is called if it was learned.
    """
    return PROBED if reader.estimator.kind == "probed" else learned


def methods_of(reader: Reader, names: Sequence[str], seed: int) -> list[AttributionMethod]:
    """Return methods by name; without ``at2`` where the reader has no learned estimator.

    Args:
        reader: The reader that they are measured on.
        names: Names of methods, of :data:`at2_rag.methods.METHOD_NAMES`.
        seed: What is drawn with in methods that draw.

    Raises:
        InputError: If there is no such method.
    """
    known = [name for name in names if name != AT2 or has_estimator(reader)]
    return [
        AttentionMethod(reader.estimator, label=own_name(reader))
        if name == AT2
        else method_by_name(name, seed=seed)
        for name in known
    ]


def methods_beside(
    reader: Reader,
    learned: Mapping[str, ScoreEstimator],
    names: Sequence[str],
    unit: str,
    seed: int,
) -> list[AttributionMethod]:
    """Return methods by name, estimators that were learned, and the reader's own if it has one.

    Args:
        reader: The reader that they are measured on.
        learned: The estimators, by the name that they are compared under.
        names: Names of methods; without leave-one-out where sources are tokens.
        unit: What sources are.
        seed: What is drawn with in methods that draw.

    Raises:
        InputError: If there is no such method.
    """
    left_out = _NOT_FOR_TOKENS if unit == "token" else ()
    found = methods_of(reader, [name for name in names if name not in left_out], seed)
    own = {own_name(reader, SHIPPED): reader.estimator} if has_estimator(reader) else {}
    estimators = {**learned, **own}
    return found + [AttentionMethod(e, label=name) for name, e in estimators.items()]
