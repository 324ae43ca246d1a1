"""What collecting is in one of Ray's processes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from at2_rag.reader import Reader
from at2_rag.training.collector import CollectOptions, Collector
from at2_rag.training.outcomes import Outcome
from at2_rag.training.shards import ShardFolder


@dataclass(frozen=True)
class CollectingWork:
    """Collects the examples that it is given.

    Attributes:
        collector: What collects, with a reader of its own.
    """

    collector: Collector

    @classmethod
    def begin(
        cls, load_reader: Callable[[], Reader], out: str, options: CollectOptions
    ) -> CollectingWork:
        """Load the reader, and begin the run or go on with it.

        Args:
            load_reader: Loads the reader.
            out: Path or URL of the folder that the records go to.
            options: What is collected of each example.

        Raises:
            InputError: If the folder holds another run, or cannot be written to.
        """
        return cls(Collector.begin(load_reader(), ShardFolder.at(out), options))

    def name(self, row: Mapping[str, Any]) -> str:
        """Return what an example is called in errors."""
        return f"The example {pickle.loads(row['example']).id!r}"

    def do(self, row: Mapping[str, Any]) -> Outcome:
        """Collect one example.

        Args:
            row: What is told of an example: ``id``, its place in the run; ``example``, pickled;
                ``before``, whether it was there when the run began.
        """
        example = pickle.loads(row["example"])
        outcome = self.collector.collect(row["id"], example)
        if outcome.resumed and not row["before"]:
            # An actor stored it in this run, and died before it could say so.
            return Outcome(example.id, skipped=self.collector.folder.skipped(row["id"]))
        return outcome
