"""How log files are audited, and what of it the records depend on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from at2_rag.audit.formats import RecordFormat
from at2_rag.audit.inputs import LogFile
from at2_rag.estimators.fingerprints import record_fingerprint
from at2_rag.reader import Reader
from at2_rag.runs.manifest import reader_manifest

#: Changes with the layout of the files, and with what is hashed.
FORMAT = 2


@dataclass(frozen=True)
class AuditOptions:
    """How log files are audited.

    Attributes:
        anew: Whether the questions are answered by the model; else the rows' own answers are cited.
        prune_to: How many passages to answer from again; ``None`` to answer once.
        rows_per_part: How many rows are gone through, and written, at a time; those of like length
            run together.
        kind: What the parts are written as.
        scores: Whether records have the tables of scores, a number for each source and token.
        options: Settings and options of ``model.generate``, by name.
    """

    anew: bool = False
    prune_to: int | None = None
    rows_per_part: int = 64
    kind: RecordFormat = "jsonl"
    scores: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def manifest(self, reader: Reader, files: Sequence[LogFile]) -> dict[str, Any]:
        """Return what the records depend on, as plain JSON types.

        Args:
            reader: The model that reads or answers.
            files: The log files, in order.
        """
        settings, generation = reader.settings.override(self.options)
        estimator, method = reader.estimator, reader.method_for(settings)
        return {
            **reader_manifest(reader),
            "settings": {name: str(value) for name, value in settings.to_dict().items()},
            "generation": {name: str(value) for name, value in generation.items()},
            "estimator": f"{estimator.kind} {record_fingerprint(estimator.record)}",
            "method": None if method is None else method.name,
            **self.of_log(files),
        }

    def of_log(self, files: Sequence[LogFile]) -> dict[str, Any]:
        """Return what the records depend on beside the model, as plain JSON types.

        Args:
            files: The log files, in order.
        """
        return {
            "format": FORMAT,
            "anew": self.anew,
            "prune_to": self.prune_to,
            "rows_per_part": self.rows_per_part,
            "kind": self.kind,
            "scores": self.scores,
            "files": {str(index): file.fingerprint for index, file in enumerate(files)},
        }
