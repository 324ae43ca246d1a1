"""The paper's experiments, rebuilt on the parts of at2-rag, to be rerun by anyone."""

from at2_rag_experiments.base import Experiment, ExperimentConfig, Report
from at2_rag_experiments.pruning.experiment import HotpotPruning, HotpotPruningConfig
from at2_rag_experiments.registry import EXPERIMENTS, experiment_by_name
from at2_rag_experiments.run import run_experiment

__all__ = [
    "EXPERIMENTS",
    "Experiment",
    "ExperimentConfig",
    "HotpotPruning",
    "HotpotPruningConfig",
    "Report",
    "experiment_by_name",
    "run_experiment",
]
