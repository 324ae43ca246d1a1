"""Learning the coefficients: collect what ablations do, and fit attention to it."""

from at2_rag.datasets.example import TrainingExample
from at2_rag.datasets.example_files import read_examples
from at2_rag.datasets.world_examples import world_examples
from at2_rag.evaluation.statistics import pearson, spearman
from at2_rag.methods.heads import head_features
from at2_rag.runs.ray_cluster import RayWorkers
from at2_rag.runs.store import DiskFullError
from at2_rag.training.asking import AskOptions, Writer
from at2_rag.training.auto import AutoOptions, Trained, train_auto, work_folder
from at2_rag.training.calibrate import calibrate
from at2_rag.training.candidates import CANDIDATES, Candidate, Learning
from at2_rag.training.collect import collect
from at2_rag.training.dataset import Quality
from at2_rag.training.detail import SourceDetail
from at2_rag.training.features import AblationData, ablation_data, signed_features
from at2_rag.training.fit import FitResult, fit, fit_network
from at2_rag.training.heatmap import plot_coefficients
from at2_rag.training.judge import Judged, judge
from at2_rag.training.metrics import FitMetrics, FitWarning, NoBetterThanAverageWarning
from at2_rag.training.network_fit import NetworkOptions
from at2_rag.training.outcomes import CollectReport, Outcome
from at2_rag.training.own_documents import DocumentReport, Step, collect_documents
from at2_rag.training.pace import Pace
from at2_rag.training.prior import fit_from
from at2_rag.training.ray_engine import collect_with_ray
from at2_rag.training.records import SkipReason, TrainingRecord
from at2_rag.training.shards import Collected, CorruptRecordWarning, load_collected

__all__ = [
    "CANDIDATES",
    "AblationData",
    "AskOptions",
    "AutoOptions",
    "Candidate",
    "CollectReport",
    "Collected",
    "CorruptRecordWarning",
    "DiskFullError",
    "DocumentReport",
    "FitMetrics",
    "FitResult",
    "FitWarning",
    "Judged",
    "Learning",
    "NetworkOptions",
    "NoBetterThanAverageWarning",
    "Outcome",
    "Pace",
    "Quality",
    "RayWorkers",
    "SkipReason",
    "SourceDetail",
    "Step",
    "Trained",
    "TrainingExample",
    "TrainingRecord",
    "Writer",
    "ablation_data",
    "calibrate",
    "collect",
    "collect_documents",
    "collect_with_ray",
    "fit",
    "fit_from",
    "fit_network",
    "head_features",
    "judge",
    "load_collected",
    "pearson",
    "plot_coefficients",
    "read_examples",
    "signed_features",
    "spearman",
    "train_auto",
    "work_folder",
    "world_examples",
]
