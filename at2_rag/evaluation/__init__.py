"""How faithful attribution methods are, measured (paper, sections 2.2 and 4)."""

from at2_rag.evaluation.abstention import AbstentionReport, measure_abstention
from at2_rag.evaluation.compare import compare
from at2_rag.evaluation.metrics import (
    EvaluationData,
    linear_datamodeling_score,
    top_k_drop,
    top_k_drops,
)
from at2_rag.evaluation.questions import Question, clapnq_questions, world_questions
from at2_rag.evaluation.report import comparison_table, plot_comparison, write_json
from at2_rag.evaluation.results import Comparison, Estimate, MethodSummary
from at2_rag.evaluation.statistics import DEPENDENT_SPREAD
from at2_rag.evaluation.tasks import example_tasks

__all__ = [
    "DEPENDENT_SPREAD",
    "AbstentionReport",
    "Comparison",
    "Estimate",
    "EvaluationData",
    "MethodSummary",
    "Question",
    "clapnq_questions",
    "compare",
    "comparison_table",
    "example_tasks",
    "linear_datamodeling_score",
    "measure_abstention",
    "plot_comparison",
    "top_k_drop",
    "top_k_drops",
    "world_questions",
    "write_json",
]
