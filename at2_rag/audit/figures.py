"""What an audit found as pictures: SVG that stands in a page by itself."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from io import StringIO
from typing import Any

from at2_rag.audit.tally import BARS, Tally
from at2_rag.errors import missing_extra

_LINE: dict[str, Any] = {"marker": "o", "markersize": 4}

#: Ranks that are drawn; few retrieve more.
_MOST_RANKS = 30


def draw(tallies: Mapping[str, Tally]) -> str:
    """Return a picture: use by rank, how many passages would have been enough, and support.

    Args:
        tallies: Counts to compare, by name.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    try:
        figure_module, matplotlib = import_module("matplotlib.figure"), import_module("matplotlib")
    except ImportError as error:
        raise missing_extra("Figures", "matplotlib", "plot") from error
    with matplotlib.rc_context({"svg.hashsalt": "at2-rag", "svg.fonttype": "none"}):
        figure = figure_module.Figure(figsize=(11, 3.2), layout="constrained")
        use, enough, support = figure.subplots(1, 3)
        for name, tally in tallies.items():
            _draw_ranks(use, enough, name, tally)
            tenths = range(BARS)
            support.plot(tenths, [tally.with_share(k) or 0.0 for k in tenths], **_LINE, label=name)
        _name_axes(use, "rank of the passage", "share of answers that cite it")
        _name_axes(enough, "first passages only", "share of answers that lose nothing")
        _name_axes(support, "tenths of its statements supported, or more", "share of answers")
        if len(tallies) > 1:
            use.legend(frameon=False, fontsize="small")
        target = StringIO()
        figure.savefig(target, format="svg", metadata={"Date": None})
    drawn = target.getvalue()
    return drawn[drawn.index("<svg") :]


def _draw_ranks(use: Any, enough: Any, name: str, tally: Tally) -> None:
    ranks = range(min(max(tally.shown, default=0) + 1, _MOST_RANKS))
    numbers = [rank + 1 for rank in ranks]
    use.plot(numbers, [tally.used_at(rank) or 0.0 for rank in ranks], **_LINE, label=name)
    enough.plot(numbers, [tally.enough_with(k) or 0.0 for k in numbers], **_LINE, label=name)


def _name_axes(axes: Any, across: str, up: str) -> None:
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_ylim(0, 1.05)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.spines[["top", "right"]].set_visible(False)
