"""``at2-rag train auto`` and ``collect --documents``: from files to an estimator."""

import json
import shutil
from dataclasses import replace

import pytest
from support.own_documents import asker_of, world_documents
from support.places import DEMO_MODEL
from typer.testing import CliRunner

from at2_rag import InputError, Reader
from at2_rag.cli import auto as command
from at2_rag.cli.train import train
from at2_rag.documents.files import read_passages
from at2_rag.estimators.find import place_for_own, resolve_estimator
from at2_rag.estimators.trained import trained_before
from at2_rag.model.loading import load_model
from at2_rag.training import AskOptions, AutoOptions, load_collected, train_auto

OPTIONS = AutoOptions(None, 15, 4, asking=AskOptions(max_new_tokens=24))


def run(*args):
    return CliRunner(env={"COLUMNS": "100"}).invoke(train, list(map(str, args)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The demo reader as a folder like any other's, and documents about worlds it never saw."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(DEMO_MODEL, home / "model", ignore=shutil.ignore_patterns("estimators"))
    (home / "documents").mkdir()
    passages, questions = world_documents(6, passages=4)
    lines = [json.dumps({"text": p.text, "title": p.title, "id": p.id}) for p in passages]
    (home / "documents/worlds.jsonl").write_text("\n".join(lines))
    return home, questions


@pytest.fixture(scope="module")
def worked(folder, demo_reader):
    """What was asked by somebody who can ask, since the demo reader cannot."""
    home, questions = folder
    passages = read_passages([home / "documents"])
    train_auto(demo_reader, passages, home / "work", OPTIONS, writer=asker_of(questions))
    return home


def auto(home, *args):
    return run(
        "auto", "--model", home / "model", "--documents", home / "documents",
        "--work", home / "work", "--questions", 15, "--num-ablations", 4,
        "--max-new-tokens", 24, "--minutes", 90, "--dtype", "float32", *args,
    )  # fmt: skip


def test_it_says_how_long_it_takes_what_was_asked_and_what_is_best(worked):
    result = auto(worked)
    assert result.exit_code == 0, result.output
    notes = " ".join(result.stderr.split())
    assert "a pass takes" in notes
    assert "minutes for 15, of 90 at most" in notes
    assert "questions are kept" in notes
    shown = " ".join(result.stdout.split())
    assert "On held-out documents" in shown
    assert "average attention" in shown
    beside = worked / "model/at2_estimator"
    kept = "probed heads are kept, and nothing is written" in notes
    assert kept != beside.exists()
    assert ("→ probed" in shown) == kept


def test_an_estimator_of_others_is_not_overwritten(worked, demo_reader):
    beside = worked / "model/at2_estimator"
    demo_reader.estimator.save(beside)
    try:
        result = auto(worked)
        assert isinstance(result.exception, InputError)
        assert "holds an estimator that was not made here" in str(result.exception)
        assert auto(worked, "--out", worked / "other").exit_code == 0
    finally:
        shutil.rmtree(beside)


def best_of(demo_reader, worked):
    """Return what comes of it where the demo reader's own network is among what was learned."""
    found = train_auto(demo_reader, read_passages([worked / "documents"]), worked / "work", OPTIONS)
    estimator = replace(demo_reader.estimator, metadata={"auto": {}})
    return replace(found, winner="network", estimator=estimator, kept_because=None)


def test_what_is_best_is_put_where_auto_finds_it(worked, demo_reader, capsys, tmp_path):
    model, tokenizer = load_model(shutil.copytree(worked / "model", tmp_path / "model"), {})
    place = place_for_own(model, tokenizer)
    command.keep(best_of(demo_reader, worked), place, named=False)
    assert "it is found there from now on" in " ".join(capsys.readouterr().err.split())
    assert place == tmp_path / "model/at2_estimator"
    found = resolve_estimator(model, tokenizer)
    assert found.origin == str(place)
    assert "auto" in found.estimator.metadata
    assert Reader(model, tokenizer).estimator.kind == demo_reader.estimator.kind


def test_for_a_model_that_is_no_folder_of_the_users_it_is_found_in_the_cache(
    worked, demo_reader, tmp_path
):
    model, tokenizer = load_model(shutil.copytree(worked / "model", tmp_path / "model"), {})
    model.config.name_or_path = "some/model"
    place = place_for_own(model, tokenizer)
    assert tmp_path not in place.parents
    assert resolve_estimator(model, tokenizer).origin is None
    best = best_of(demo_reader, worked)
    about = {"auto": {}, "collected": {"model": {"name": "some/model"}}}
    learned = replace(best, estimator=replace(best.estimator, metadata=about))
    command.keep(learned, place, named=False)
    try:
        assert trained_before("some/model") == place
        assert trained_before("other/model") is None
        assert resolve_estimator(model, tokenizer).origin == str(place)
        tokenizer.chat_template += " "  # asked otherwise, another estimator
        assert resolve_estimator(model, tokenizer).origin is None
    finally:
        shutil.rmtree(place)


def test_where_probed_heads_are_best_nothing_is_written(worked, demo_reader, capsys, tmp_path):
    found = best_of(demo_reader, worked)
    kept = replace(found, winner="probed", estimator=None, kept_because="it is so")
    command.keep(kept, tmp_path / "place", named=True)
    assert "nothing is written: it is so" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "place").exists()


def test_the_demo_reader_has_its_own(folder):
    home, _ = folder
    result = run("auto", "--model", "demo", "--documents", home / "documents")
    assert isinstance(result.exception, InputError)
    assert "expected --out DIR" in str(result.exception)


def test_documents_are_looked_for_before_a_model_is_loaded(tmp_path):
    result = run("auto", "--model", "no/such", "--documents", tmp_path / "none")
    assert "no such file or folder" in str(result.exception)


def test_collecting_from_documents_keeps_questions_and_detail(folder, tmp_path):
    home, _ = folder
    result = run(
        "collect", "--model", home / "model", "--documents", home / "documents",
        "--out", tmp_path, "--num-ablations", 4, "--minutes", 0.3, "--max-new-tokens", 24,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert f"examples are in {tmp_path}" in " ".join(result.stdout.split())
    notes = " ".join(result.stderr.split())
    assert "in 0.3 minutes" in notes
    assert "questions are kept" in notes
    collected = load_collected(tmp_path)
    assert (collected.manifest["source_unit"], collected.manifest["detail"]) == ("sentence", True)


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("--data", "worlds"), "--data and --documents are both given"),
        (("--shard", "1/2"), "goes with no --shard"),
        (("--engine", "ray"), "goes with no --shard, --engine ray"),
        (("--out", "memory://run"), "expected a folder of this machine"),
    ],
)
def test_what_does_not_go_with_documents_is_refused(folder, tmp_path, args, problem):
    home, _ = folder
    given = ("--out", tmp_path, *args) if "--out" not in args else args
    result = run("collect", "--model", "no/such", "--documents", home / "documents", *given)
    assert isinstance(result.exception, InputError)
    assert problem in str(result.exception)


def test_something_to_collect_from_is_needed(tmp_path):
    result = run("collect", "--model", "no/such", "--out", tmp_path)
    assert "neither --data nor --documents" in str(result.exception)
