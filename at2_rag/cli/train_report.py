"""What ``at2-rag train`` says of an estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from at2_rag.cli.console import note, show

if TYPE_CHECKING:
    from at2_rag import ScoreEstimator
    from at2_rag.training import FitMetrics


def metrics_table(metrics: FitMetrics) -> Table:
    """Return how well an estimator does, beside average attention."""
    kind = "training" if metrics.held_out_is_training else "held-out"
    table = Table(title=f"On {metrics.held_out_examples} {kind} examples", title_justify="left")
    table.add_column("estimator")
    table.add_column("Pearson", justify="right")
    table.add_column("LDS", justify="right")
    table.add_column("LDS, dependent", justify="right")
    rows = (
        ("fitted", metrics.fitted, metrics.fitted_dependent),
        ("average attention", metrics.average, metrics.average_dependent),
    )
    for name, every, dependent in rows:
        table.add_row(
            name,
            _with_error(every.pearson, every.pearson_error),
            _with_error(every.lds, every.lds_error),
            _with_error(dependent.lds, dependent.lds_error),
        )
    table.caption = (
        f"{metrics.dependent_statements} of {metrics.statements} statements are dependent: some "
        "ablation makes them half as likely as another"
    )
    return table


def _with_error(value: float | None, error: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if error is None else f"{value:.3f} ± {error:.3f}"


def heads_table(estimator: ScoreEstimator) -> Table:
    """Return the heads that probing found, and how well they find what a statement goes back to."""
    probed = estimator.metadata["probed"]
    table = Table(title="Heads that read", title_justify="left")
    for header in ("layer", "head", "weight"):
        table.add_column(header, justify="right")
    for head in probed["heads"]:
        table.add_row(str(head["layer"]), str(head["head"]), f"{head['weight']:.2f}")
    table.caption = (
        f"the right sentence first in {probed['first']:.0%} of the probes, by heads that were "
        "chosen on the others"
    )
    return table


def show_calibrations(estimator: ScoreEstimator) -> None:
    """Show how far citations can be relied on, one table for all kinds of sources."""
    if not estimator.calibrations:
        note("not calibrated, so statements will not be called supported or not")
        return
    judged = "the probes that chose them" if estimator.kind == "probed" else "ablations"
    table = Table(title=f"Thresholds, judged on {judged}", title_justify="left")
    for header in ("sources", "what", "precision", "recall", "judged"):
        table.add_column(header, justify="left" if header in ("sources", "what") else "right")
    for calibration in estimator.calibrations:
        rows = (
            ("citation", calibration.citations),
            ("supported", calibration.supported),
            ("leans on an earlier one", calibration.earlier),
        )
        for what, found in rows:
            if found is not None:
                figures = (_with_error(found.precision, None), _with_error(found.recall, None))
                table.add_row(calibration.unit, what, *figures, str(found.count))
    show(table)
