"""How faithful attribution methods are, measured (paper, sections 2.2 and 4)."""

from at2_rag.correlation import DEPENDENT_SPREAD
from at2_rag.evaluation.compare import compare
from at2_rag.evaluation.metrics import (
    EvaluationData,
    linear_datamodeling_score,
    top_k_drop,
    top_k_drops,
)
from at2_rag.evaluation.report import comparison_table, plot_comparison, write_json
from at2_rag.evaluation.results import Comparison, Estimate, MethodSummary
from at2_rag.evaluation.tasks import example_tasks

__all__ = [
    "DEPENDENT_SPREAD",
    "Comparison",
    "Estimate",
    "EvaluationData",
    "MethodSummary",
    "compare",
    "comparison_table",
    "example_tasks",
    "linear_datamodeling_score",
    "plot_comparison",
    "top_k_drop",
    "top_k_drops",
    "write_json",
]
