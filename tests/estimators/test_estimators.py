"""Score estimators: saved, loaded, published, refused."""

import json
import pickle

import pytest
import torch
from support.comparing import check_close
from transformers import AutoModelForCausalLM

from at2_rag import (
    AttentionShape,
    EstimatorMismatchError,
    FileFormatError,
    InputError,
    LinearEstimator,
    ScoreEstimator,
    inspect_attention,
)
from at2_rag.estimators import Regions
from at2_rag.model.recorded_model import RecordedModel


def token_scores(estimator, attention):
    """Return (answer tokens, keys): every key scored as a source of its own."""
    keys = tuple((i, i + 1) for i in range(len(attention.keys)))
    return estimator.scores(attention, Regions(keys, tuple(range(len(keys))), (), ())).sources


def test_saved_equals_loaded(tmp_path):
    estimator = LinearEstimator(torch.randn(3, 4), metadata={"model": "x", "seed": 1})
    estimator.save(tmp_path / "estimator")
    loaded = ScoreEstimator.load(tmp_path / "estimator", AttentionShape(3, 4))
    assert torch.equal(loaded.coefficients, estimator.coefficients)
    assert (loaded.kind, loaded.metadata) == ("linear", {"model": "x", "seed": 1})


def test_uniform_is_average_attention(golden_llama):
    estimator = ScoreEstimator.uniform(golden_llama.model)
    assert inspect_attention(golden_llama.model) == AttentionShape(3, 4)
    assert estimator.kind == "uniform"
    assert torch.equal(estimator.coefficients, torch.full((3, 4), 1 / 12))


def test_published_files_are_read_layer_by_layer(golden):
    raw = torch.load(golden.folder / "score_estimator.pt", weights_only=True)
    row = raw["state_dict"]["linear.weight"][0]
    for path in (golden.folder, golden.folder / "score_estimator.pt"):
        coefficients = ScoreEstimator.load(path).coefficients
        assert coefficients[1, 2] == row[1 * 4 + 2]
        assert torch.equal(coefficients.flatten(), row)


def test_a_published_file_without_a_shape_asks_for_one(tmp_path):
    path = tmp_path / "score_estimator.pt"
    torch.save({"state_dict": {"linear.weight": torch.ones(1, 6)}}, path)
    with pytest.raises(InputError, match=r"6 coefficients.*pass shape=inspect_attention"):
        ScoreEstimator.load(path)
    assert ScoreEstimator.load(path, AttentionShape(2, 3)).coefficients.shape == (2, 3)
    with pytest.raises(EstimatorMismatchError, match=r"6 coefficients.*2 layers × 4 heads = 8"):
        ScoreEstimator.load(path, AttentionShape(2, 4))


class Bomb:
    """Runs when unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("code from a file was run",))


def test_code_in_a_file_is_never_run(tmp_path):
    path = tmp_path / "score_estimator.pt"
    torch.save({"state_dict": Bomb()}, path)
    with pytest.raises(FileFormatError, match="without running code"):
        ScoreEstimator.load(path)
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(FileFormatError, match="without running code"):
        ScoreEstimator.load(path)


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(FileFormatError, match=r"No score estimator at .*nowhere"):
        ScoreEstimator.load(tmp_path / "nowhere")
    LinearEstimator(torch.ones(1, 1)).save(tmp_path)
    (tmp_path / "score_estimator.json").write_text("{")
    with pytest.raises(FileFormatError, match="cannot be read"):
        ScoreEstimator.load(tmp_path)
    (tmp_path / "score_estimator.json").write_text(json.dumps({"kind": "linear", "metadata": {}}))
    (tmp_path / "score_estimator.safetensors").write_bytes(b"nonsense")
    with pytest.raises(FileFormatError, match="cannot be read"):
        ScoreEstimator.load(tmp_path)


@pytest.mark.parametrize(
    "coefficients",
    [torch.ones(3), torch.ones(2, 2, dtype=torch.long), torch.full((1, 1), torch.nan)],
)
def test_unusable_coefficients(coefficients):
    with pytest.raises(InputError, match="expected"):
        LinearEstimator(coefficients)


def test_from_hub_reads_the_local_cache(tmp_path):
    """A cached repository in the hub's own layout is found without a network."""
    commit = "0" * 40
    snapshot = tmp_path / "models--someone--at2-tiny" / "snapshots" / commit
    LinearEstimator(torch.ones(2, 2), metadata={"from": "cache"}).save(snapshot)
    refs = tmp_path / "models--someone--at2-tiny" / "refs"
    refs.mkdir()
    (refs / "main").write_text(commit)
    estimator = ScoreEstimator.from_hub(
        "someone/at2-tiny", AttentionShape(2, 2), cache_dir=tmp_path, local_files_only=True
    )
    assert estimator.metadata == {"from": "cache"}


def test_copying_coefficients_count_attention_to_the_token_being_generated(golden_llama):
    """Against the weights that eager attention reports, multiplied out by hand."""
    model, case = golden_llama.model, golden_llama.cases[3]
    torch.manual_seed(0)
    estimator = LinearEstimator(torch.randn(3, 4), copying=torch.randn(3, 4))
    start, end = case["target_token_range"]
    ids = case["input_ids"]
    recorded = RecordedModel(model)
    attention = recorded.read(ids[:start], ids[start:end], estimator.weightings)
    table = token_scores(estimator, attention)
    eager = AutoModelForCausalLM.from_pretrained(
        golden_llama.folder / "model", attn_implementation="eager"
    )
    with torch.no_grad():
        output = eager(torch.tensor([ids[: end - 1]]), output_attentions=True)
    eager_attention = torch.stack(output.attentions)[:, 0, :, start - 1 :]
    same = torch.tensor(ids[start:end])[:, None] == torch.tensor(ids[: end - 1])[None]
    expected = torch.einsum("lhrk,lh->rk", eager_attention, estimator.coefficients)
    expected += torch.einsum("lhrk,lh->rk", eager_attention * same, estimator.copying)
    assert same.any()
    check_close(table, expected)


def test_copying_coefficients_are_saved_and_generated_equals_read(golden_llama, tmp_path):
    LinearEstimator(torch.randn(3, 4), copying=torch.randn(3, 4)).save(tmp_path)
    estimator = ScoreEstimator.load(tmp_path, AttentionShape(3, 4))
    assert estimator.kind == "copying"
    model = golden_llama.model
    recorded = RecordedModel(model)
    prompt = golden_llama.cases[3]["input_ids"][:200]
    [generated] = recorded.generate([prompt], estimator.weightings, {"max_new_tokens": 12})
    read = token_scores(estimator, recorded.read(prompt, generated.ids, estimator.weightings))
    scores = token_scores(estimator, generated.attention)
    check_close(scores, read)
    with pytest.raises(InputError, match=r"copying has the shape \(2, 4\)"):
        LinearEstimator(torch.ones(3, 4), copying=torch.ones(2, 4))
