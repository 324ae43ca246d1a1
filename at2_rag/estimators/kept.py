"""A score estimator as something that is kept: saved, loaded, published, calibrated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from huggingface_hub import CommitInfo
from torch import Tensor

from at2_rag.attention.probe import AttentionShape
from at2_rag.errors import EstimatorMismatchError, FileFormatError, InputError
from at2_rag.estimators.calibration import Calibration
from at2_rag.estimators.download import download_estimator
from at2_rag.estimators.files import EstimatorRecord, read_record, write_record
from at2_rag.estimators.publish import push_to_hub

#: The class of each kind of estimator; classes enter themselves by being defined.
_CLASSES: dict[str, type[Kept]] = {}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Kept(ABC):
    """What every estimator keeps, and how it gets into files and onto the hub, and back.

    A subclass names the kinds that it loads: ``class Linear(ScoreEstimator, kinds=("linear",))``.

    Attributes:
        metadata: JSON-like notes on where the estimator comes from.
        calibrations: The scores from which on a citation is real, by the unit of sources; empty if
            nobody has measured them, as with average attention.
    """

    metadata: dict[str, Any] = field(default_factory=dict)
    calibrations: tuple[Calibration, ...] = ()

    def __init_subclass__(cls, *, kinds: tuple[str, ...] = (), **rest: Any) -> None:
        """Have records of these kinds be loaded as this class."""
        super().__init_subclass__(**rest)
        _CLASSES.update(dict.fromkeys(kinds, cls))

    def __repr__(self) -> str:
        size = f"{self.shape.layers} layers of {self.shape.heads} heads"
        units = ", ".join(calibration.unit for calibration in self.calibrations)
        known = f"calibrated for {units}" if units else "not calibrated"
        return f"<{type(self).__name__}, {self.kind}: {size}, {known}>"

    @property
    @abstractmethod
    def kind(self) -> str:
        """What :meth:`tensors` are and how scores are made of them, such as ``"linear"``."""

    @property
    @abstractmethod
    def shape(self) -> AttentionShape:
        """Layers and heads of the models that it is for."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Return everything learned, by name, for :meth:`save`."""

    @classmethod
    @abstractmethod
    def assembled(cls, record: EstimatorRecord) -> Self:
        """Return what a record of one of this class's kinds holds.

        Raises:
            KeyError: If a tensor is missing.
            ValueError: If one cannot be used.
            RuntimeError: If they do not belong together.
        """

    @property
    def record(self) -> EstimatorRecord:
        """Everything that its files hold."""
        return EstimatorRecord(self.kind, self.tensors(), self.metadata, self.calibrations)

    @property
    def prompts(self) -> tuple[str, ...]:
        """Messages of the templates that it was learned with; empty where nobody noted them."""
        return tuple(self.metadata.get("prompts", ()))

    @classmethod
    def from_record(cls, record: EstimatorRecord) -> Self:
        """Return the estimator of a record, of the class that its kind belongs to.

        Raises:
            InputError: If no class has that kind, or another than this one and its subclasses.
        """
        known = {kind: owner for kind, owner in _CLASSES.items() if issubclass(owner, cls)}
        if record.kind not in known:
            raise InputError(
                f"It is of the kind {record.kind!r}; {cls.__name__} knows "
                f"{', '.join(map(repr, sorted(known)))}. Use a version of at2-rag that knows it, "
                "or import the class that is to load it first."
            )
        return known[record.kind].assembled(record)

    def save(self, path: str | Path) -> None:
        """Write a folder with safetensors and JSON; a new one is there whole or not at all."""
        write_record(self.record, Path(path))

    @classmethod
    def load(cls, path: str | Path, shape: AttentionShape | None = None) -> Self:
        """Load from a folder that :meth:`save` wrote, or from a published ``.pt`` file.

        Args:
            path: A folder that :meth:`save` wrote, or a ``score_estimator.pt``, or a folder with
                one in it.
            shape: Layers and heads of the model, from :func:`at2_rag.inspect_attention`.

        Raises:
            FileFormatError: If there is no estimator at ``path``, or it cannot be read.
            EstimatorMismatchError: If it does not fit ``shape``.
        """
        record = read_record(Path(path), shape)
        try:
            estimator = cls.from_record(record)
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise FileFormatError(
                f"The score estimator in {path} cannot be read: {error}"
            ) from error
        if shape is not None:
            estimator.check_fits(shape)
        return estimator

    @classmethod
    def from_hub(cls, repo_id: str, shape: AttentionShape | None = None, **download: Any) -> Self:
        """Load from a repository of the Hugging Face Hub, or its local cache.

        Args:
            repo_id: The repository's name, such as ``"madrylab/at2-phi-4-mini-instruct"``.
            shape: As for :meth:`load`.
            download: Passed to ``huggingface_hub.snapshot_download`` (``revision``,
                ``cache_dir``, ``local_files_only``, …).
        """
        return cls.load(download_estimator(repo_id, **download), shape)

    def push_to_hub(self, repo_id: str, **options: Any) -> CommitInfo:
        """Publish on the Hugging Face Hub, with a model card.

        Args:
            repo_id: The repository's name, such as ``"someone/at2-qwen2.5-1.5b-instruct"``; without
                an owner, yours.
            options: What :func:`at2_rag.estimators.publish.push_to_hub` takes besides
                (``base_model``, ``license``, ``private``, ``token``, ``commit_message``, …).

        Raises:
            HfHubHTTPError: If the hub refuses, from ``huggingface_hub``.
        """
        return push_to_hub(self.record, self.shape, repo_id, **options)

    def calibration(self, unit: str) -> Calibration | None:
        """Return the thresholds for a unit of sources, if somebody has measured them."""
        return next((found for found in self.calibrations if found.unit == unit), None)

    def calibrated(self, calibration: Calibration) -> Self:
        """Return the same with one more calibration, in the place of an older one for its unit."""
        others = [found for found in self.calibrations if found.unit != calibration.unit]
        return replace(self, calibrations=(*others, calibration))

    def check_fits(self, shape: AttentionShape) -> None:
        """Raise ``EstimatorMismatchError`` unless made for a model of this shape."""
        own = self.shape
        if own != shape:
            raise EstimatorMismatchError(
                f"The score estimator is for {own.layers} layers of {own.heads} heads, and the "
                f"model has {shape.layers} layers of {shape.heads} heads. Use an estimator trained "
                'for this model, or leave it out: estimator="auto" finds one.'
            )
