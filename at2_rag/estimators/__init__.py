"""Score estimators: from attention to the scores of sources, and when a score means a citation."""

from at2_rag.estimators.base import Regions, ScoreEstimator, TokenAttention, TokenScores
from at2_rag.estimators.calibration import Calibration, Reliability
from at2_rag.estimators.linear import LinearEstimator
from at2_rag.estimators.network import NetworkEstimator, SourceNetwork
from at2_rag.estimators.probed import ProbedEstimator

__all__ = [
    "Calibration",
    "LinearEstimator",
    "NetworkEstimator",
    "ProbedEstimator",
    "Regions",
    "Reliability",
    "ScoreEstimator",
    "SourceNetwork",
    "TokenAttention",
    "TokenScores",
]
