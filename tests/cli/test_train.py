"""``at2-rag train``: from examples to an estimator that a reader loads."""

import json
import re
import sys
from io import StringIO

import pytest
from rich.console import Console
from support.places import DATA, LLAMA
from typer.testing import CliRunner

from at2_rag import InputError, Reader, ScoreEstimator
from at2_rag.cli import engines
from at2_rag.cli import progress as bar
from at2_rag.cli import train as command
from at2_rag.training import CorruptRecordWarning, FitWarning, fit, load_collected, world_examples

MODEL = str(LLAMA / "model")
ANSWER = "The old mill was built in a town. It lies on the river."


def run(*args):
    arguments = list(map(str, args))
    return CliRunner(env={"COLUMNS": "100"}).invoke(command.train, arguments)


def collect(data, out, *args):
    return run(
        "collect", "--model", MODEL, "--data", data, "--out", out, "--num-ablations", 6,
        "--source-unit", "sentence", "--no-detail", *args,
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "examples.jsonl"
    lines = [
        {"question": e.question, "passages": [p.text for p in e.passages], "answer": ANSWER}
        for e in world_examples(0, 5, num_passages=(3, 3))
    ]
    lines.append({"question": "Who?", "passages": ["Nobody."], "answer": ANSWER})
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def collected(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("collected")
    first = collect(data, out, "--shard", "2/2")
    assert first.exit_code == 0, first.output
    assert "skipped 1 example: 1 single source" in " ".join(first.stderr.split())
    rest = collect(data, out)
    assert rest.exit_code == 0, rest.output
    assert f"3 examples collected, 3 done before in {out}" in " ".join(rest.stdout.split())
    return out


@pytest.mark.filterwarnings("ignore::at2_rag.training.FitWarning")
def test_fit_writes_an_estimator_its_metrics_and_a_picture(collected, tmp_path):
    pytest.importorskip("matplotlib")
    result = run(
        "fit", collected, "--out", tmp_path / "est", "--method", "ridge",
        "--held-out", 0.4, "--plot", tmp_path / "map.png",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    estimator = ScoreEstimator.load(tmp_path / "est")
    assert estimator.coefficients.shape == (3, 4)
    assert estimator.metadata["fit"]["method"] == "ridge"
    metrics = estimator.metadata["metrics"]
    assert metrics["held_out_examples"] == 2
    assert estimator.metadata["collected"]["num_ablations"] == 6
    lds = f"{metrics['fitted']['lds']:.3f} ± {metrics['fitted']['lds_error']:.3f}"
    assert re.search(rf"fitted .*{re.escape(lds)}", result.stdout)
    assert "average attention" in result.stdout
    assert "skipped 1 example: 1 single source" in result.stderr
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


def test_non_negative_is_passed_on(collected, tmp_path):
    """Of this random model no head's attention goes with what ablations do."""
    arguments = ("fit", collected, "--out", tmp_path / "est", "--method", "ridge")
    result = run(*arguments, "--non-negative")
    assert "All coefficients became 0" in str(result.exception)
    assert "Fit without non_negative=True" in str(result.exception)


@pytest.mark.filterwarnings("ignore::at2_rag.training.FitWarning")
def test_damaged_files_stop_it_unless_skipped(collected, data, tmp_path):
    for path in collected.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "example-000001.safetensors").write_bytes(b"")
    arguments = ("fit", tmp_path, "--out", tmp_path / "est", "--method", "ridge")
    failed = run(*arguments)
    assert "example-000001.safetensors is damaged" in str(failed.exception)
    assert "--skip-corrupt" in str(failed.exception)
    assert not (tmp_path / "est").exists()
    with pytest.warns(CorruptRecordWarning):
        assert run(*arguments, "--skip-corrupt").exit_code == 0


@pytest.mark.parametrize(("unit", "told"), [("sentence", True), ("token", False)])
def test_detail_is_collected_where_citations_can_be_calibrated(data, tmp_path, unit, told):
    arguments = ("--data", data, "--out", tmp_path, "--num-ablations", 2, "--examples", 1)
    result = run("collect", "--model", MODEL, *arguments, "--source-unit", unit)
    assert result.exit_code == 0, result.output
    assert load_collected(tmp_path).manifest["detail"] is told


def test_worlds_are_answered_by_the_model(tmp_path):
    result = collect("worlds", tmp_path, "--examples", 2)
    assert result.exit_code == 0, result.output
    assert [r.id for r in load_collected(tmp_path).records] == ["world-0-0", "world-0-1"]


def test_rows_of_a_data_set_are_read_with_its_prompt(tmp_path):
    rows = DATA / "hub/hotpot_qa.jsonl"
    result = collect(f"hotpot_qa={rows}", tmp_path, "--examples", 1, "--copying")
    assert result.exit_code == 0, result.output
    [record] = load_collected(tmp_path).records
    # With copying, features are twice as wide as the model has heads.
    assert record.features.shape[-1] == 2 * record.shape.layers * record.shape.heads
    with pytest.warns(FitWarning):
        estimator = fit([record], method="ridge").estimator
    assert estimator.copying.shape == estimator.coefficients.shape == (3, 4)


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_shards_are_counted_from_one(data, tmp_path, shard):
    result = collect(data, tmp_path, "--shard", shard)
    assert isinstance(result.exception, InputError)
    assert f"--shard is '{shard}'; expected I/N with I from 1 to N" in str(result.exception)


def test_a_bad_line_is_named_before_a_model_is_loaded(tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"question": "q", "passages": ["a"]}\n{}')
    result = run(
        "collect", "--model", "no/such", "--data", tmp_path / "bad.jsonl", "--out", tmp_path / "o"
    )
    assert "bad.jsonl:2: 'question' is None" in str(result.exception)


def test_the_bar_shows_rate_and_time_left_of_what_is_really_done(monkeypatch):
    now, bars = [0.0], []
    progress = bar.Progress

    def clocked(*columns, **options):
        bars.append(progress(*columns, **{**options, "get_time": lambda: now[0]}))
        return bars[-1]

    monkeypatch.setattr(bar, "Progress", clocked)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a terminal; without one there are lines
    with bar.resumable_progress("collecting", 100) as on_done:
        for done in range(1, 61):
            on_done(done, 100, True)
        for done in range(61, 71):
            now[0] += 2.0
            on_done(done, 100, False)
        task = bars[0].tasks[0]
        assert task.completed == 70
        assert task.time_remaining == pytest.approx(60, abs=7)
        shown = StringIO()
        Console(file=shown, width=120, color_system=None).print(bars[0].get_renderable())
        assert re.search(
            r"collecting .* 70/100 (2\.0|1\.8) s/example 0:0[01]:\d\d", shown.getvalue()
        )


@pytest.mark.filterwarnings("ignore::at2_rag.training.FitWarning")
def test_urls_are_folders_too(collected, data, tmp_path):
    out = tmp_path / "by url"
    result = collect(data, out.as_uri())
    assert result.exit_code == 0, result.output
    names = {path.name for path in collected.iterdir()}
    assert {path.name for path in out.iterdir()} == names
    assert all((out / name).read_bytes() == (collected / name).read_bytes() for name in names)
    fitted = run("fit", out.as_uri(), "--out", tmp_path / "est", "--method", "ridge")
    assert fitted.exit_code == 0, fitted.output


@pytest.mark.parametrize(
    ("option", "value"),
    [("--actors", 2), ("--gpus-per-actor", 1), ("--cpus-per-actor", 4), ("--address", "auto")],
)
def test_options_of_a_cluster_need_one(data, tmp_path, option, value):
    result = collect(data, tmp_path, option, value)
    assert isinstance(result.exception, InputError)
    assert f"{option} is for the actors of a cluster; expected --engine ray" in str(
        result.exception
    )


def test_the_ray_engine_gets_what_was_asked_for(data, tmp_path, monkeypatch):
    """As far as it goes without a cluster; tests/training/test_ray_engine.py goes on from there."""
    result = collect(data, "memory://run", "--engine", "ray", "--actors", 2)
    assert "'memory://run' is the memory of one process" in str(result.exception)
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    result = collect(data, tmp_path / "out", "--engine", "ray")
    assert isinstance(result.exception, InputError)
    assert 'pip install "at2-rag[ray]"' in str(result.exception)


def test_actors_load_the_reader_that_this_process_would():
    reader = engines.load_in_actor(MODEL, "float32", "auto", max_new_tokens=64)
    assert reader.name == MODEL
    assert str(reader.model.dtype) == "torch.float32"
    assert (
        engines.load_in_actor("demo", "auto", "cpu", max_new_tokens=64).name == Reader.demo().name
    )
