"""Which rows of a data set are read, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from at2_rag.datasets.registry import HubDataset
from at2_rag.datasets.tables import HubSplit, Placed, Table, read_table
from at2_rag.errors import InputError

_Position = tuple[Table, int]


@dataclass(frozen=True)
class Selection:
    """Rows that are wanted.

    Attributes:
        split: Name of the split to read.
        seed: Which random order the rows are read in; the same seed gives the same order. ``None``
            for the order that they have.
        path: A local file to read instead of the hub; ``None`` for the hub.
        config: The hub's configuration to read instead of the usual ones; ``None`` for these.
        options: Options for ``datasets.load_dataset``, by name.
    """

    split: str
    seed: int | None
    path: Path | None
    config: str | None
    options: dict[str, Any]

    def rows(self, dataset: HubDataset[Any]) -> Iterator[Placed]:
        """Go through the rows of a data set; the same selection gives the same order.

        Raises:
            InputError: If the data set has no such split, or the options do not fit.
        """
        self._check(dataset)
        if self.path is not None:
            tables = [read_table(self.path, self.split)]
        else:
            options = dict(self.options)
            streaming = options.pop("streaming", dataset.shuffle_buffer is not None)
            splits = self._hub_splits(dataset, options)
            if streaming:
                prefix, split = splits[0]
                return split.stream(prefix, self.seed, dataset.shuffle_buffer or 1_000)
            tables = [split.table(prefix) for prefix, split in splits]
        positions = [(table, index) for table in tables for index in range(len(table.rows))]
        positions = self._part(dataset, positions)
        if self.seed is not None:
            Random(f"at2-datasets-{self.seed}").shuffle(positions)
        return (table.row(index) for table, index in positions)

    def _hub_splits(
        self, dataset: HubDataset[Any], options: dict[str, Any]
    ) -> list[tuple[str, HubSplit]]:
        """Return what to read from the hub, each with what the names of its rows begin with."""
        configs = dataset.configs if self.config is None else (self.config,)
        split = dataset.splits[self.split]
        return [
            (
                self.split if len(dataset.configs) == 1 else f"{config}-{self.split}",
                HubSplit(dataset.repository, config, split, options),
            )
            for config in configs
        ]

    def _part(self, dataset: HubDataset[Any], positions: list[_Position]) -> list[_Position]:
        """Divide the only split of a data set into training and validation (appendix A.3.2)."""
        if dataset.training_rows is None:
            return positions
        # The seed of a sample has no say: rows for validation stay out of every training sample.
        order = list(range(len(positions)))
        Random("at2-datasets-split").shuffle(order)
        chosen = set(order[: dataset.training_rows])
        wanted = self.split == "train"
        return [place for index, place in enumerate(positions) if (index in chosen) == wanted]

    def _check(self, dataset: HubDataset[Any]) -> None:
        if self.split not in dataset.splits:
            raise InputError(
                f"{dataset.name} has no split {self.split!r}; expected one of "
                f"{', '.join(dataset.splits)}."
            )
        if self.path is not None:
            given = [*(["config"] if self.config is not None else []), *self.options]
            if given:
                raise InputError(
                    f"{', '.join(given)} given together with path={str(self.path)!r}; expected "
                    "one or the other: these options are for loading from the hub."
                )
        whole = len(dataset.configs) > 1 or dataset.training_rows is not None
        if self.options.get("streaming") and whole:
            raise InputError(
                f"streaming is {self.options['streaming']!r}; expected nothing for {dataset.name}, "
                "which is small and sampled as a whole. Leave it out."
            )
