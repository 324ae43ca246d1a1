"""The paper's data sets, with its prompts and filters, from the hub or from local files."""

from at2_rag.datasets.loading import load, load_thoughts
from at2_rag.datasets.registry import CONTEXT_DATASETS, NAMES, THOUGHT_DATASETS
from at2_rag.datasets.thought import ThoughtExample

__all__ = [
    "CONTEXT_DATASETS",
    "NAMES",
    "THOUGHT_DATASETS",
    "ThoughtExample",
    "load",
    "load_thoughts",
]
