"""The data sets that can be loaded, and where the hub has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from at2_rag.datasets.context import (
    parse_clapnq,
    parse_cnn_dailymail,
    parse_dolly,
    parse_hotpot_qa,
    parse_ms_marco,
    parse_natural_questions,
)
from at2_rag.datasets.example import TrainingExample
from at2_rag.datasets.rows import Row
from at2_rag.datasets.thought import (
    ThoughtExample,
    parse_agieval,
    parse_drop,
    parse_global_opinions,
)
from at2_rag.errors import InputError

Example = TypeVar("Example")

_TRAIN_AND_VALIDATION = {"train": "train", "validation": "validation"}
_ALL_THREE = {**_TRAIN_AND_VALIDATION, "test": "test"}


@dataclass(frozen=True)
class HubDataset(Generic[Example]):
    """A data set of the hub.

    Attributes:
        name: What the data set is called here.
        repository: What the hub calls the data set.
        parse: Makes an example of a row; returns ``None`` for a row to leave out.
        splits: What the hub calls each split, by what the split is called here.
        configs: The hub's configurations to read, one after the other.
        shuffle_buffer: How many rows to shuffle at a time, for a data set that is too large to
            download whole; ``None`` for one that is not.
        training_rows: How many rows to draw for training from the only split, the others being for
            validation; ``None`` where the hub has separate splits.
    """

    name: str
    repository: str
    parse: Callable[[Row], Example | None]
    splits: Mapping[str, str]
    configs: tuple[str | None, ...] = (None,)
    shuffle_buffer: int | None = None
    training_rows: int | None = None


#: Data sets for context attribution, by name (paper, appendix A.3.1; ``clapnq`` is an addition).
CONTEXT_DATASETS: Mapping[str, HubDataset[TrainingExample]] = {
    dataset.name: dataset
    for dataset in (
        HubDataset(
            "cnn_dailymail", "abisee/cnn_dailymail", parse_cnn_dailymail, _ALL_THREE, ("3.0.0",)
        ),
        HubDataset(
            "hotpot_qa",
            "hotpotqa/hotpot_qa",
            parse_hotpot_qa,
            _TRAIN_AND_VALIDATION,
            ("distractor",),
        ),
        HubDataset(
            "ms_marco",
            "microsoft/ms_marco",
            parse_ms_marco,
            _ALL_THREE,
            ("v2.1",),
            shuffle_buffer=10_000,
        ),
        HubDataset(
            "natural_questions",
            "google-research-datasets/natural_questions",
            parse_natural_questions,
            _TRAIN_AND_VALIDATION,
            ("default",),
            # A row is a whole page with all its tokens: 100 of them are hundreds of megabytes.
            shuffle_buffer=100,
        ),
        HubDataset("dolly", "databricks/databricks-dolly-15k", parse_dolly, {"train": "train"}),
        HubDataset("clapnq", "PrimeQA/clapnq", parse_clapnq, _TRAIN_AND_VALIDATION),
    )
}

#: Data sets for thought attribution, by name (paper, appendix A.3.2).
THOUGHT_DATASETS: Mapping[str, HubDataset[ThoughtExample]] = {
    dataset.name: dataset
    for dataset in (
        HubDataset(
            "agieval",
            "RUCAIBox/agieval",
            parse_agieval,
            # A test set, which the paper trains on; its development set is a handful of shots.
            {"train": "test", "validation": "dev"},
            ("aqua-rat", "logiqa-en", "lsat-ar", "lsat-lr", "lsat-rc", "sat-en", "sat-math"),
        ),
        HubDataset("drop", "ucinlp/drop", parse_drop, _TRAIN_AND_VALIDATION),
        HubDataset(
            "global_opinions",
            "Anthropic/llm_global_opinions",
            parse_global_opinions,
            {"train": "train", "validation": "train"},
            training_rows=2_000,
        ),
    )
}

_REPOSITORIES = {name: dataset.repository for name, dataset in CONTEXT_DATASETS.items()} | {
    name: dataset.repository for name, dataset in THOUGHT_DATASETS.items()
}

#: All names, in order.
NAMES = tuple(_REPOSITORIES)


def own_name(name: str) -> str:
    """Return what a data set is called here, given that name or the hub's id.

    Raises:
        InputError: If it is not known.
    """
    for own, repository in _REPOSITORIES.items():
        if name in (own, repository):
            return own
    raise InputError(
        f"{name!r} is no known data set; expected one of {', '.join(NAMES)}. Passages and "
        "questions of your own go into a JSON lines file."
    )
