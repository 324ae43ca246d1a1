"""GGUF files: what comes out is what a folder of transformers with the same weights gives."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import gguf
import pytest
import torch
from support.gguf_files import write_llama
from support.golden import load_model as load_folder
from support.places import LLAMA
from support.zandor import PASSAGES, QUESTION
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from at2_rag import (
    FileFormatError,
    InputError,
    Reader,
    ScoreEstimator,
    UnsupportedModelError,
    inspect_attention,
)
from at2_rag.cli.app import app
from at2_rag.errors import MissingExtraError
from at2_rag.estimators.fingerprints import config_fingerprint, weights_fingerprint
from at2_rag.model.gguf import gguf_config
from at2_rag.model.gguf_once import parsed_once
from at2_rag.model.loading import load_model
from at2_rag.model.names import gguf_of


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A model as ollama keeps it, under a name that says nothing."""
    path = tmp_path_factory.mktemp("blobs") / "sha256-6f85a640a97c"
    write_llama(path)
    return path


@pytest.fixture(scope="module")
def loaded(file):
    return load_model(file, {"dtype": "float32"})


def run(*arguments):
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, list(map(str, arguments)))


def test_weights_tokens_and_template_are_those_of_the_folder(loaded):
    model, tokenizer = loaded
    same, own = load_folder(LLAMA / "model")
    for (name, weight), (other, expected) in zip(
        model.named_parameters(), same.named_parameters(), strict=True
    ):
        assert name == other
        torch.testing.assert_close(weight, expected, rtol=0, atol=0)
    assert tokenizer.chat_template == own.chat_template
    assert tokenizer.eos_token_id == own.eos_token_id
    for text in ("<|user|>\nWho?<|end|>\n<|assistant|>\n", "Zandor lies on the Mol.", "日本語 😀"):
        # Without the token that transformers 4 begins texts with, which no prompt has.
        found, expected = (each(text, add_special_tokens=False) for each in (tokenizer, own))
        assert found["input_ids"] == expected["input_ids"]


def test_a_file_is_taken_apart_once(file, loaded, monkeypatch):
    """The libraries alone do so three times, and what comes out is the same."""
    read, begin = [], gguf.GGUFReader.__init__

    def counted(self, path, *more):
        read.append(str(path))
        begin(self, path, *more)

    monkeypatch.setattr(gguf.GGUFReader, "__init__", counted)
    load_model(file, {"dtype": "float32"})
    assert read == [str(file)]
    monkeypatch.setattr("at2_rag.model.gguf.parsed_once", nullcontext)
    model, tokenizer = load_model(file, {"dtype": "float32"})
    assert len(read) > 2
    for weight, expected in zip(model.parameters(), loaded[0].parameters(), strict=True):
        assert torch.equal(weight, expected)
    assert model.config.to_dict() == loaded[0].config.to_dict()
    assert tokenizer.get_vocab() == loaded[1].get_vocab()


def test_the_libraries_are_left_as_they_were(file, tmp_path):
    """Also after an error, and where several threads load at once."""
    names = ("GGUFReader", "get_tensor_name_map")
    theirs = [getattr(gguf, name) for name in names]
    with parsed_once():
        assert gguf.GGUFReader is not theirs[0]
    (tmp_path / "cut.gguf").write_bytes(file.read_bytes()[:2000])
    with pytest.raises(FileFormatError):
        gguf_config(tmp_path / "cut.gguf")
    assert [getattr(gguf, name) for name in names] == theirs
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda _: gguf_config(file).to_dict(), range(3)))
    assert found[0] == found[1] == found[2]
    assert [getattr(gguf, name) for name in names] == theirs


def test_a_file_that_changed_is_read_again(tmp_path):
    for architecture in ("llama", "gpt2"):
        write_llama(tmp_path / "model.gguf", architecture)
        assert gguf_config(tmp_path / "model.gguf").model_type == architecture


def test_answers_and_scores_are_those_of_the_folder(loaded):
    def answer(model, tokenizer):
        reader = Reader(model, tokenizer, ScoreEstimator.load(LLAMA), max_new_tokens=12)
        return reader.answer(QUESTION, PASSAGES)

    found, expected = answer(*loaded), answer(*load_folder(LLAMA / "model"))
    assert found.text == expected.text
    torch.testing.assert_close(found.attribution.scores, expected.attribution.scores)


def test_nothing_is_left_of_the_file_but_its_name(file, loaded, tmp_path):
    model, tokenizer = loaded
    assert model.config.name_or_path == str(file)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again, _ = load_model(tmp_path, {})
    assert config_fingerprint(again.config.to_dict()) == config_fingerprint(model.config.to_dict())
    assert weights_fingerprint(again) == weights_fingerprint(model)
    fresh = AutoModelForCausalLM.from_config(model.config)
    assert inspect_attention(fresh) == inspect_attention(model)


def test_a_type_may_be_named_and_is_bfloat16_else(file):
    assert load_model(file, {})[0].dtype == torch.bfloat16
    assert load_model(str(file), {"dtype": "auto"})[0].dtype == torch.bfloat16
    assert load_model(file, {"dtype": torch.float16})[0].dtype == torch.float16
    assert load_model(file, {"dtype": None})[0].dtype == torch.bfloat16
    assert load_model(file, {"torch_dtype": "float32"})[0].dtype == torch.float32


def test_where_transformers_would_look_for_it_works_as_well(file):
    options = {"gguf_file": file.name, "dtype": "float32"}
    model, tokenizer = load_model(file.parent, options)
    assert (model.dtype, tokenizer.eos_token) == (torch.float32, "<|end|>")


def test_a_file_of_that_name_in_the_working_directory_is_not_taken(file, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "here/model.gguf").write_bytes(b"GGUF, but nothing else")
    shutil.copy(file, tmp_path / "there/model.gguf")
    monkeypatch.chdir(tmp_path / "here")
    assert load_model("../there/model.gguf", {})[0].dtype == torch.bfloat16


def test_a_folder_stands_for_its_only_file_and_several_are_named(file, tmp_path, monkeypatch):
    shutil.copy(file, tmp_path / "a.gguf")
    assert gguf_of(tmp_path) == tmp_path / "a.gguf"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert gguf_of("~/a.gguf") == gguf_of("~") == tmp_path / "a.gguf"
    shutil.copy(file, tmp_path / "b.gguf")
    with pytest.raises(InputError, match=r"holds 2 GGUF files \(a.gguf, b.gguf\)"):
        Reader.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    assert gguf_of(tmp_path) is None


@pytest.mark.parametrize("name", ["gone.gguf", "./gone", "/gone/model", "~/gone", "a/b/c", ""])
def test_a_path_to_nothing_is_no_model_of_the_hub(name):
    with pytest.raises(InputError, match="There is nothing at '"):
        Reader.from_pretrained(name)


def test_what_may_be_on_the_hub_is_left_to_transformers():
    assert gguf_of("someone/model") is None
    with pytest.raises(OSError, match=r"couldn't connect|someone/model"):
        Reader.from_pretrained("someone/model", local_files_only=True)


def test_what_cannot_be_read_is_said_in_a_line(file, tmp_path):
    write_llama(tmp_path / "other.gguf", architecture="sherpa")
    write_llama(tmp_path / "less.gguf", without=("blk.1.attn_q",))
    shutil.copy(file, tmp_path / "model-00001-of-00002.gguf")
    (tmp_path / "text.gguf").write_text("Once upon a time.", encoding="utf-8")
    (tmp_path / "half.gguf").write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    for name, kind, message in [
        ("other.gguf", UnsupportedModelError, "cannot read from GGUF .*sherpa"),
        ("less.gguf", FileFormatError, "lacks weights of LlamaForCausalLM, such as .*q_proj"),
        ("model-00001-of-00002.gguf", FileFormatError, "is part 1 of 2"),
        ("text.gguf", FileFormatError, "is no GGUF file"),
        ("half.gguf", FileFormatError, "cannot be read as a GGUF file"),
    ]:
        with pytest.raises(kind, match=message) as caught:
            load_model(tmp_path / name, {})
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("package", ["gguf", "accelerate"])
def test_what_is_not_installed_is_named(file, monkeypatch, package):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(MissingExtraError, match=rf'{package}; .*"at2-rag\[gguf\]"'):
        load_model(file, {})


def test_probing_is_kept_and_an_estimator_may_lie_beside_the_file(file, tmp_path):
    path = tmp_path / "model.gguf"
    shutil.copy(file, path)
    before = json.loads(run("info", path, "--json").stdout)
    assert (before["architecture"], before["layers"], before["estimator"]) == ("llama", 3, None)
    with pytest.warns(UserWarning, match="no head"):  # it was never trained
        reader = Reader.from_pretrained(path)
    assert json.loads(run("info", path, "--json").stdout)["estimator"].startswith("probed: no head")
    ScoreEstimator.uniform(reader.model).save(tmp_path / "at2_estimator")
    assert Reader.from_pretrained(path).estimator.kind == "uniform"
    beside = json.loads(run("info", path, "--json").stdout)["estimator"]
    assert beside == str(tmp_path / "at2_estimator")


def test_on_the_command_line(file, tmp_path):
    (tmp_path / "a.txt").write_text("The mill is red. The town is small.", encoding="utf-8")
    options = ("-p", tmp_path / "a.txt", "--max-new-tokens", 4, "--estimator", "average", "--json")
    result = run("ask", "Who?", "-m", file, *options)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["model"] == str(file)
    assert all(line.startswith("note: ") for line in result.stderr.splitlines())
    for command in (("info",), ("ask", "Who?", "-p", tmp_path / "a.txt", "-m")):
        refused = run(*command, tmp_path / "gone.gguf")
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert refused.stderr.startswith("error: There is nothing at '")
        assert len(refused.stderr.splitlines()) == 1
