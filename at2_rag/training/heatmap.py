"""A picture of the coefficients, layers × heads (figure 6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from at2_rag.errors import InputError, missing_extra
from at2_rag.estimators import ScoreEstimator


def plot_coefficients(
    estimator: ScoreEstimator, path: str | Path, title: str | None = None
) -> None:
    """Draw a heat map of the coefficients: rows are layers, columns are heads.

    Colours run from the most negative to the most positive size, white at 0, so that positive
    and negative coefficients of one size look alike.

    Args:
        estimator: The estimator whose coefficients are drawn.
        path: Where the picture goes; its suffix says which format (``.png``, ``.svg``, ``.pdf``).
        title: What stands above the picture.

    Raises:
        ImportError: If matplotlib is not installed.
        InputError: If the picture cannot be written there or in that format.
    """
    try:
        # Not pyplot, which keeps figures of its own and wants to know of a screen.
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_extra("plot_coefficients", "matplotlib", "plot") from error
    weights = estimator.head_weights
    layers, heads = weights.shape
    figure = Figure(figsize=(2 + 0.2 * heads, 1.5 + 0.2 * layers), layout="constrained")
    axes = figure.add_subplot()
    image = draw_coefficients(axes, weights, float(weights.abs().max()))
    if title is not None:
        axes.set_title(title)
    figure.colorbar(image, ax=axes, label="coefficient")
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise InputError(f"The picture {path} cannot be written: {error}") from error


def draw_coefficients(axes: Any, weights: Tensor, largest: float) -> Any:
    """Draw a heat map into axes of matplotlib, and return its image, for a colour bar.

    Args:
        axes: The axes to draw into, of matplotlib.
        weights: (layers, heads): the coefficients to draw.
        largest: The size of a coefficient that gets the strongest colour; maps that share it can
            be compared.
    """
    from matplotlib.ticker import MaxNLocator

    limit = largest or 1.0
    image = axes.imshow(weights.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    axes.set_xlabel("head")
    axes.set_ylabel("layer")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    return image
