"""What estimators are called where people read of them."""

from __future__ import annotations

#: Where the kind says little.
_NAMES = {
    "uniform": "average attention",
    "probed": "probed heads",
    "linear": "a linear estimator",
    "copying": "a copying estimator",
    "network": "a network",
}


def method_name(estimator: str) -> str:
    """Return what is shown of an answer's ``estimator``: its kind in words, or a method's name."""
    return _NAMES.get(estimator, estimator)
