"""From the name of a data set to examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from at2_rag.datasets.example import TrainingExample
from at2_rag.datasets.registry import (
    CONTEXT_DATASETS,
    THOUGHT_DATASETS,
    Example,
    HubDataset,
    own_name,
)
from at2_rag.datasets.sampling import Selection
from at2_rag.datasets.tables import parsed_rows
from at2_rag.datasets.thought import ThoughtExample
from at2_rag.errors import InputError

_Named = TypeVar("_Named", TrainingExample, ThoughtExample)


def load(
    name: str,
    split: str = "train",
    *,
    limit: int | None = None,
    seed: int | None = 0,
    path: str | Path | None = None,
    config: str | None = None,
    passages_needed: bool = True,
    **datasets_options: Any,
) -> list[TrainingExample]:
    """Load questions with passages, with the paper's prompts and filters (appendix A.3).

    Args:
        name: One of :data:`NAMES`, or the hub's id of one.
        split: ``"train"``, ``"validation"`` or ``"test"``, as far as the data set has it.
        limit: How many examples to load at most; ``None`` for all. A larger limit only adds to the
            examples.
        seed: Which random order the rows are read in; the same seed gives the same order. ``None``
            for the order that they have.
        path: A JSON or JSON lines file with rows as the hub has them, instead of the hub.
        config: The hub's configuration instead of the usual one, such as ``"v1.1"``.
        passages_needed: Whether to leave out what a data set for thought attribution has without a
            passage. A model that thinks has sources all the same.
        datasets_options: Options for ``datasets.load_dataset``: ``revision``, ``streaming``, ….

    Raises:
        InputError: If an argument cannot be used, or no example is left.
        FileFormatError: If a file cannot be read, or a row on the way is bad; with its place.
        MissingResourceError: If the hub does not give the data.
        ImportError: If the ``datasets`` library is needed and not installed.
    """
    own = own_name(name)
    rows = Selection(split, seed, None if path is None else Path(path), config, datasets_options)
    if own in CONTEXT_DATASETS:
        return _take(_parsed(CONTEXT_DATASETS[own], rows), limit, own, rows)
    thoughts = _parsed(THOUGHT_DATASETS[own], rows)
    wanted = (thought for thought in thoughts if thought.passage or not passages_needed)
    return _take((thought.training_example for thought in wanted), limit, own, rows)


def load_thoughts(
    name: str,
    split: str = "train",
    *,
    limit: int | None = None,
    seed: int | None = 0,
    path: str | Path | None = None,
    config: str | None = None,
    **datasets_options: Any,
) -> list[ThoughtExample]:
    """Load what to think about, with the paper's prompts and filters (appendix A.3.2).

    Args:
        name: Name or hub id of a data set for thought attribution.
        split: As for :func:`load`.
        limit: As for :func:`load`.
        seed: As for :func:`load`.
        path: As for :func:`load`.
        config: As for :func:`load`.
        datasets_options: As for :func:`load`.

    Raises:
        InputError: If an argument cannot be used, or no example is left.
        FileFormatError: If a file cannot be read, or a row on the way is bad; with its place.
        MissingResourceError: If the hub does not give the data.
        ImportError: If the ``datasets`` library is needed and not installed.
    """
    own = own_name(name)
    if own not in THOUGHT_DATASETS:
        raise InputError(
            f"{name!r} is for context attribution; expected one of {', '.join(THOUGHT_DATASETS)}. "
            "Call load for this one."
        )
    rows = Selection(split, seed, None if path is None else Path(path), config, datasets_options)
    return _take(_parsed(THOUGHT_DATASETS[own], rows), limit, own, rows)


def _parsed(dataset: HubDataset[Example], selection: Selection) -> Iterator[Example]:
    return parsed_rows(selection.rows(dataset), dataset.name, dataset.parse)


def _take(
    examples: Iterable[_Named], limit: int | None, name: str, selection: Selection
) -> list[_Named]:
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise InputError(f"limit is {limit!r}; expected a whole number of at least 1, or None.")
    taken = list(islice(_with_unique_ids(examples), limit))
    if not taken:
        where = name if selection.path is None else str(selection.path)
        raise InputError(
            f"{where}: no example of {name} is left in the split {selection.split!r}; expected "
            "rows with a question, with a passage where sources are wanted, that the paper's "
            "filters keep. Check the file, or choose another split."
        )
    return taken


def _with_unique_ids(examples: Iterable[_Named]) -> Iterator[_Named]:
    # Random ablations depend on the id, and stored ones are found by it; the hub promises neither.
    uses: Counter[str] = Counter()
    for example in examples:
        uses[example.id] += 1
        repeated = uses[example.id]
        yield example if repeated == 1 else replace(example, id=f"{example.id}-{repeated}")
