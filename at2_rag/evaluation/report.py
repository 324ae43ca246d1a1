"""A comparison as a table, a plot and a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from at2_rag.errors import InputError, missing_extra
from at2_rag.evaluation.results import Comparison, Estimate

if TYPE_CHECKING:
    from rich.table import Table

#: What a plot can be saved as.
PLOT_FORMATS = (".png", ".svg", ".pdf")


def comparison_table(comparison: Comparison) -> Table:
    """Return a rich table, one row per method.

    Raises:
        ImportError: If rich is not installed.
    """
    try:
        from rich.table import Table
    except ImportError as error:
        raise missing_extra("A table", "rich", "cli") from error
    table = Table(caption=_caption(comparison), caption_justify="left")
    table.add_column("method", no_wrap=True)
    drops = [f"top-{k} drop\n(nats)" for k in comparison.ks]
    reference = comparison.largest_surrogate
    agrees = [f"first as\n{reference}"] if reference else []
    costs = "passes\nneeded", "time\n(× a pass)"
    for header in (*drops, "LDS", "LDS\n(dependent)", *agrees, *costs):
        table.add_column(header, justify="right")
    for summary in comparison.summaries:
        table.add_row(
            summary.method,
            *(str(summary.drops[k]) for k in comparison.ks),
            str(summary.lds),
            str(summary.lds_dependent),
            *([str(comparison.agreement(summary.method, reference))] if reference else []),
            f"{summary.forward_passes:.0f}",
            f"{summary.time_ratio:.2f}",
        )
    return table


def _caption(comparison: Comparison) -> str:
    total, moved = len(comparison.targets), comparison.dependent
    skipped = f", {comparison.skipped} more without a statement" if comparison.skipped else ""
    return (
        f"Mean ± standard error over {total} statements of {comparison.examples} examples"
        f"{skipped}; {comparison.num_ablations} random ablations each. {moved} statements depend "
        f"on their sources; {total - moved} do not: ablations move their log-probability by less "
        f"than {comparison.min_spread:.2g} nats. Attention methods include the pass that reads "
        "the answer; while answering it comes along."
    )


def plot_comparison(comparison: Comparison, path: str | Path) -> None:
    """Save bars per method with standard errors, as in the paper's figure 4.

    Args:
        comparison: The comparison to plot.
        path: Where the plot goes: a ``.png``, ``.svg`` or ``.pdf``.

    Raises:
        ImportError: If matplotlib is not installed.
        InputError: If the file's ending is another.
    """
    figure_module = require_plotting(path)
    summaries = comparison.summaries
    figure = figure_module.Figure(figsize=(11.0, 1.6 + 0.45 * len(summaries)), layout="constrained")
    drops, lds = figure.subplots(1, 2, sharey=True)
    names = [summary.method for summary in summaries]
    by_k = {f"k = {k}": [summary.drops[k] for summary in summaries] for k in comparison.ks}
    draw_bars(drops, names, by_k)
    drops.set_xlabel("top-k drop in log-probability (nats)")
    both = {
        "all statements": [summary.lds for summary in summaries],
        "dependent on a source": [summary.lds_dependent for summary in summaries],
    }
    draw_bars(lds, names, both)
    lds.set_xlabel("linear datamodeling score")
    figure.savefig(path)


def draw_bars(axes: Any, names: Sequence[str], groups: Mapping[str, Sequence[Estimate]]) -> None:
    """Draw one horizontal bar per method and group, the first method on top.

    Args:
        axes: The axes to draw into, of matplotlib.
        names: What to call each method, from the top one on.
        groups: An estimate for each method, by name of the group; no bar for one of nothing.
    """
    width = 0.8 / len(groups)
    for index, (label, estimates) in enumerate(groups.items()):
        axes.barh(
            [place + (index - (len(groups) - 1) / 2) * width for place in range(len(names))],
            [estimate.mean or 0.0 for estimate in estimates],
            height=width,
            xerr=[estimate.standard_error or 0.0 for estimate in estimates],
            error_kw={"elinewidth": 1},
            label=label,
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.legend(frameon=False, fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)


def require_plotting(path: str | Path) -> Any:
    """Return matplotlib's module of figures, once it is clear that a plot can be saved.

    Raises:
        ImportError: If matplotlib is not installed.
        InputError: If the file's ending is none of ``PLOT_FORMATS``.
    """
    if Path(path).suffix.lower() not in PLOT_FORMATS:
        raise InputError(f"The plot {path} cannot be saved; expected {', '.join(PLOT_FORMATS)}.")
    try:
        # Figures of their own, without pyplot, need no display and leave no state behind.
        return import_module("matplotlib.figure")
    except ImportError as error:
        raise missing_extra("A plot", "matplotlib", "plot") from error


def write_json(comparison: Comparison, path: str | Path) -> None:
    """Write the summaries and every measurement as JSON."""
    text = json.dumps(comparison.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    Path(path).write_text(text + "\n", encoding="utf-8")
