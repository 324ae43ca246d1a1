"""How the figures of all experiments look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from at2_rag.evaluation.report import require_plotting
from at2_rag.evaluation.results import Estimate

#: One for each line; told apart by most eyes that see colours otherwise, too.
COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#7f7f7f",
    "#000000",
)


def save_figure(draw: Callable[[Any], None], size: tuple[float, float], path: Path) -> None:
    """Draw a figure and save it.

    Args:
        draw: Draws into a figure of matplotlib.
        size: Width and height of the figure, in inches.
        path: File to write, a ``.png``, ``.svg`` or ``.pdf``.

    Raises:
        ImportError: If matplotlib is not installed.
        InputError: If the file's ending is another.
    """
    figure = require_plotting(path).Figure(figsize=size, layout="constrained", dpi=150)
    draw(figure)
    figure.savefig(path)


def line(
    axes: Any, places: Sequence[float], estimates: Sequence[Estimate], label: str, colour: str
) -> None:
    """Draw a line with standard errors through those places where there is an estimate."""
    found = [(x, e) for x, e in zip(places, estimates, strict=True) if e.mean is not None]
    axes.errorbar(
        [x for x, _ in found],
        [e.mean for _, e in found],
        yerr=[e.standard_error or 0.0 for _, e in found],
        label=label,
        color=colour,
        marker="o",
        markersize=3,
        linewidth=1.4,
        elinewidth=0.9,
        capsize=2,
    )


def level(axes: Any, estimate: Estimate, label: str, style: str = "--") -> None:
    """Draw a level line across, with its standard error as a band."""
    if estimate.mean is None:
        return
    error = estimate.standard_error or 0.0
    axes.axhline(estimate.mean, color="black", linewidth=1.0, linestyle=style, label=label)
    axes.axhspan(estimate.mean - error, estimate.mean + error, color="black", alpha=0.06, lw=0)


def finish(axes: Any, x: str, y: str, title: str = "") -> None:
    """Name the axes, take the box away and add the legend."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if title:
        axes.set_title(title, fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="x-small")
