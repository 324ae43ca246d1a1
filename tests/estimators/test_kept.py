"""Estimators as something that is kept: kinds register themselves, and files are whole."""

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from at2_rag import (
    AttentionShape,
    FileFormatError,
    InputError,
    LinearEstimator,
    NetworkEstimator,
    ScoreEstimator,
)
from at2_rag.estimators import SourceNetwork
from at2_rag.estimators.files import EstimatorRecord, read_record, write_record

SHAPE = AttentionShape(2, 3)


@dataclass(frozen=True, eq=False)
class LastLayerEstimator(ScoreEstimator, kinds=("last-layer",)):
    """Counts the last layer's heads alone; as somebody else might define it."""

    heads: Tensor
    layers: int

    @classmethod
    def assembled(cls, record):
        kept = {"metadata": record.metadata, "calibrations": record.calibrations}
        return cls(record.tensors["heads"], int(record.tensors["layers"]), **kept)

    @property
    def kind(self):
        return "last-layer"

    @property
    def weightings(self):
        table = torch.zeros(1, self.layers, len(self.heads))
        table[0, -1] = self.heads
        return table

    def rate(self, plain, copied, owners):
        return plain[0]

    def tensors(self):
        return {"heads": self.heads, "layers": torch.tensor(self.layers)}


def saved(estimator, folder):
    estimator.save(folder)
    return folder


def test_a_class_that_names_a_kind_is_loaded_like_any_other(tmp_path):
    heads = torch.tensor([0.5, 0.25, 0.0])
    folder = saved(LastLayerEstimator(heads, 2, metadata={"of": "a test"}), tmp_path / "own")
    loaded = ScoreEstimator.load(folder, SHAPE)
    assert type(loaded) is LastLayerEstimator
    assert torch.equal(loaded.weightings, torch.tensor([[[0, 0, 0], [0.5, 0.25, 0]]]))
    assert loaded.metadata == {"of": "a test"}


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (LinearEstimator(torch.rand(2, 3)), "linear"),
        (LinearEstimator(torch.rand(2, 3), copying=torch.rand(2, 3)), "copying"),
        (ScoreEstimator.uniform_of(SHAPE), "uniform"),
        (NetworkEstimator(SourceNetwork(SHAPE, mixtures=2, width=4, rounds=3)), "network"),
    ],
)
def test_every_kind_is_loaded_as_its_own_class_with_the_same_numbers(tmp_path, made, kind):
    loaded = ScoreEstimator.load(saved(made, tmp_path / "new"), SHAPE)
    assert (type(loaded), loaded.kind, loaded.shape) == (type(made), kind, SHAPE)
    assert loaded.tensors().keys() == made.tensors().keys()
    for name, tensor in made.tensors().items():
        assert torch.equal(loaded.tensors()[name], tensor)


def test_a_kind_that_nobody_registered_is_refused_with_those_that_are_known(tmp_path):
    write_record(EstimatorRecord("newer", {"x": torch.ones(1)}), tmp_path)
    known = r"'copying', 'last-layer', 'linear', 'network', 'probed', 'uniform'"
    with pytest.raises(FileFormatError, match=rf"{tmp_path} cannot be read: .*'newer'.*{known}\."):
        ScoreEstimator.load(tmp_path)
    with pytest.raises(InputError, match=r"kind 'newer'; ScoreEstimator knows"):
        ScoreEstimator.from_record(read_record(tmp_path, None))


def test_a_class_loads_its_own_kinds_only(tmp_path):
    folder = saved(LinearEstimator(torch.rand(2, 3)), tmp_path / "linear")
    assert type(LinearEstimator.load(folder)) is LinearEstimator
    with pytest.raises(FileFormatError, match=r"'linear'; NetworkEstimator knows 'network'\."):
        NetworkEstimator.load(folder)


@pytest.mark.parametrize(
    ("kind", "tensors"),
    [
        ("linear", {"other": torch.ones(2, 3)}),
        ("linear", {"coefficients": torch.full((2, 3), torch.nan)}),
        ("network", {"mixing": torch.ones(2, 2, 3), "inputs.weight": torch.ones(4, 8)}),
    ],
)
def test_tensors_that_make_no_estimator_are_refused_by_place(tmp_path, kind, tensors):
    write_record(EstimatorRecord(kind, tensors), tmp_path)
    with pytest.raises(FileFormatError, match=f"in {tmp_path} cannot be read: "):
        ScoreEstimator.load(tmp_path)


def test_all_kinds_are_known_whichever_module_is_imported_first(tmp_path):
    folder = saved(NetworkEstimator(SourceNetwork(SHAPE, 2, 4)), tmp_path / "network")
    code = (
        "import importlib, sys\n"
        "for module in sys.argv[2:]:\n"
        "    for name in [name for name in sys.modules if name.startswith('at2_rag')]:\n"
        "        del sys.modules[name]\n"
        "    importlib.import_module(f'at2_rag.estimators.{module}')\n"
        "    from at2_rag.estimators.base import ScoreEstimator\n"
        "    print(module, ScoreEstimator.load(sys.argv[1]).kind)\n"
    )
    first = ["base", "kept", "find", "linear"]
    command = [sys.executable, "-c", code, str(folder), *first]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.splitlines() == [f"{module} network" for module in first], done.stderr


def interrupt(*args, **options):
    raise KeyboardInterrupt


def test_a_new_folder_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    folder = tmp_path / "under" / "estimator"
    made = LinearEstimator(torch.full((2, 3), 2.0))
    with monkeypatch.context() as patched:
        patched.setattr(json, "dumps", interrupt)  # called once the tensors are written
        with pytest.raises(KeyboardInterrupt):
            made.save(folder)
    assert not folder.exists()
    assert torch.equal(ScoreEstimator.load(saved(made, folder)).coefficients, made.coefficients)
    assert [path.name for path in folder.parent.iterdir()] == ["estimator"]


def test_a_folder_that_is_there_is_written_into(tmp_path):
    """Such as a model's own folder."""
    (tmp_path / "config.json").write_text("{}")
    saved(LinearEstimator(torch.ones(2, 3)), tmp_path)
    saved(LinearEstimator(torch.zeros(2, 3)), tmp_path)
    assert torch.equal(ScoreEstimator.load(tmp_path).coefficients, torch.zeros(2, 3))
    assert (tmp_path / "config.json").read_text() == "{}"
