"""Metrics against their definitions, and what is reported of them."""

import json
import math
import sys
from dataclasses import replace
from io import StringIO

import pytest
import torch
from rich.console import Console
from scipy.stats import spearmanr
from support.comparing import PASSES, STEP, check_close
from support.made_up_methods import Fixed, linear_task

from at2_rag import InputError
from at2_rag.datasets.example import TrainingExample
from at2_rag.datasets.world_examples import world_examples
from at2_rag.evaluation import (
    DEPENDENT_SPREAD,
    Estimate,
    EvaluationData,
    compare,
    comparison_table,
    example_tasks,
    linear_datamodeling_score,
    plot_comparison,
    top_k_drop,
    top_k_drops,
    write_json,
)
from at2_rag.evaluation.statistics import spearman
from at2_rag.methods import AttentionMethod, LeaveOneOutMethod, RandomMethod, SurrogateMethod
from at2_rag.worlds import HELD_OUT_SEED


@pytest.fixture(scope="module")
def tasks(demo_reader):
    """Two questions about worlds, answered by the demo reader."""
    return list(example_tasks(demo_reader, world_examples(5, 2, num_passages=(3, 3))))


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def size_of(task):
    """Return the size of what drops are differences of: log-probabilities, in nats."""
    nothing = torch.zeros(1, len(task.sources))
    effects = task.ablator().ablate(nothing)
    return max(abs(float(effects.log_probability(*span))) for span in task.targets)


def watch(monkeypatch, kind, tell):
    """Tell of every batch of ablations that tasks of a kind run."""
    ablate = kind.ablate

    def watched(self, masks):
        tell(masks)
        return ablate(self, masks)

    monkeypatch.setattr(kind, "ablate", watched)


# Linear datamodeling score


def test_spearman_agrees_with_scipy_with_and_without_ties():
    for seed, digits in enumerate((8, 0, 0, 1)):
        first = numbers(3, 40, seed=seed).mul(2).round(decimals=digits)
        second = numbers(3, 40, seed=seed + 10).mul(2).round(decimals=digits)
        expected = [spearmanr(a, b).statistic for a, b in zip(first, second, strict=True)]
        assert spearman(first, second).tolist() == pytest.approx(expected, abs=1e-12)
        assert (len(first.unique()) < first.numel()) == (digits < 8)


def test_a_side_that_never_changes_has_no_correlation():
    assert spearman(torch.zeros(5), torch.arange(5.0)).item() == 0.0
    assert spearman(torch.arange(5.0), torch.ones(5)).item() == 0.0
    assert spearman(torch.arange(5.0), torch.arange(5.0) * 1e-9).item() == pytest.approx(1.0)


def test_the_true_linear_function_scores_1_and_its_negative_minus_1():
    weights = numbers(4, 12)
    data = EvaluationData.collect(linear_task(weights), 64)
    ones = torch.ones(4, dtype=torch.float64)
    torch.testing.assert_close(linear_datamodeling_score(weights, data), ones)
    torch.testing.assert_close(linear_datamodeling_score(-weights, data), -ones)
    torch.testing.assert_close(linear_datamodeling_score(weights * 7.0, data), ones)


def test_lds_is_the_definition(tasks):
    """Rank correlation of the probability and the sum of the scores of the sources kept."""
    task = tasks[0]
    data = EvaluationData.collect(task, 24, seed=3)
    scores = numbers(len(task.targets), len(task.sources))
    effects = task.ablator().ablate(data.masks)
    for target, span in enumerate(task.targets):
        # Other batches round differently, and the least difference of two gives them other ranks.
        found = effects.log_probability(*span)
        check_close(data.log_probabilities[target], found, scale=size_of(task))
        actual = data.log_probabilities[target].exp()
        predicted = [float(scores[target][mask].sum()) for mask in data.masks]
        expected = spearmanr(actual, predicted).statistic
        assert float(linear_datamodeling_score(scores, data)[target]) == pytest.approx(
            expected, abs=1e-9
        )


def test_random_scores_have_an_lds_of_about_0():
    weights = numbers(400, 12, seed=1)
    task = linear_task(weights)
    data = EvaluationData.collect(task, 64)
    lds = linear_datamodeling_score(RandomMethod().scores(task), data)
    assert abs(float(lds.mean())) < 0.06  # each is of standard deviation 0.3 or so
    assert 0.2 < float(lds.std()) < 0.4


def test_methods_are_not_measured_with_the_ablations_they_saw(monkeypatch):
    seen = []
    task = linear_task(torch.eye(6))
    watch(monkeypatch, type(task), seen.append)
    SurrogateMethod(32, seed=0).scores(task)
    EvaluationData.collect(task, 32, seed=0)
    surrogate, evaluation = seen
    assert not torch.equal(surrogate, evaluation[1:])
    assert evaluation[0].all()


def test_the_same_seed_gives_the_same_ablations(tasks):
    first, second, other = (EvaluationData.collect(tasks[0], 6, seed) for seed in (0, 0, 1))
    assert torch.equal(first.masks, second.masks)
    assert torch.equal(first.log_probabilities, second.log_probabilities)
    assert not torch.equal(first.masks, other.masks)
    different = EvaluationData.collect(linear_task(torch.zeros(1, len(tasks[0].sources))), 6)
    assert not torch.equal(first.masks, different.masks)


# Dependence


def test_spread_is_the_range_with_and_without_ablations():
    data = EvaluationData(
        torch.ones(3, 2, dtype=torch.bool),
        torch.tensor([[-1.0, -4.0, -2.0], [-1.0, -1.0, -1.5]]),
        torch.tensor([-3.0, -0.5]),
    )
    assert data.spread.tolist() == [3.0, 1.0]
    assert pytest.approx(math.log(2)) == DEPENDENT_SPREAD


# Top-k drop


def test_top_k_drop_by_hand():
    task = linear_task(torch.tensor([[4.0, 1.0, 0.0, 2.0]]))
    scores = torch.tensor([[0.1, 0.9, 0.2, 0.8]])  # a method that puts the second source first

    def log_p(kept):
        return -math.log1p(math.exp(-(kept - 1.0)))

    for k, kept in ((1, 6.0), (2, 4.0), (3, 4.0), (4, 0.0), (9, 0.0)):
        expected = log_p(7.0) - log_p(kept)
        assert float(top_k_drop(task, scores, k)) == pytest.approx(expected, abs=1e-9)


def test_top_k_drop_is_the_definition(tasks):
    task = tasks[0]
    scores = numbers(len(task.targets), len(task.sources))
    together = top_k_drops(task, scores, (1, 3), EvaluationData.collect(task, 3).whole)
    for column, k in enumerate((1, 3)):
        drops = top_k_drop(task, scores, k)
        check_close(together[:, column], drops, scale=size_of(task))
        for target, span in enumerate(task.targets):
            masks = torch.ones(2, len(task.sources))
            masks[1, scores[target].topk(k).indices] = 0
            whole, without = task.ablator().ablate(masks).log_probability(*span).tolist()
            check_close(drops[target], whole - without, scale=size_of(task))


def test_the_first_source_of_leave_one_out_has_the_largest_top_1_drop(tasks):
    scores = LeaveOneOutMethod().scores(tasks[0])
    drops = top_k_drop(tasks[0], scores, 1)
    check_close(drops, scores.amax(dim=1), scale=size_of(tasks[0]))
    other = top_k_drop(tasks[0], RandomMethod().scores(tasks[0]), 1)
    assert (drops >= other - PASSES * STEP * size_of(tasks[0])).all()


def test_of_equal_scores_the_earlier_source_goes_first():
    task = linear_task(torch.tensor([[4.0, 1.0, 0.0]]))
    tied, first = torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0]])
    assert torch.equal(top_k_drop(task, tied, 1), top_k_drop(task, first, 1))


def test_distinct_ablations_run_once(monkeypatch):
    task, runs = linear_task(torch.eye(4)), []
    watch(monkeypatch, type(task), lambda masks: runs.append(len(masks)))
    scores = torch.tensor([[3.0, 2.0, 1.0, 0.0]] * 4)
    drops = top_k_drops(task, scores, (1, 2), torch.zeros(4))
    assert runs == [2]
    assert drops.shape == (4, 2)


# Uncertainty


def test_one_value_an_example_has_the_usual_standard_error():
    values = numbers(20).tolist()
    estimate = Estimate.of(values, range(20))
    assert estimate.mean == pytest.approx(sum(values) / 20)
    expected = float(torch.tensor(values, dtype=torch.float64).std()) / math.sqrt(20)
    assert estimate.standard_error == pytest.approx(expected)


def test_repeated_values_within_an_example_add_no_certainty():
    values = numbers(10).tolist()
    single = Estimate.of(values, range(10))
    tripled = Estimate.of([v for v in values for _ in range(3)], [i // 3 for i in range(30)])
    assert tripled.standard_error == pytest.approx(single.standard_error)
    assert (tripled.mean, tripled.count) == (pytest.approx(single.mean), 30)


def test_few_values():
    assert Estimate.of([], []) == Estimate(None, None, 0)
    assert Estimate.of([1.0, 2.0], [7, 7]) == Estimate(1.5, None, 2)
    assert [str(Estimate.of(v, range(len(v)))) for v in ([], [1.0], [1.0, 2.0])] == [
        "–",
        "1.00",
        "1.50 ± 0.50",
    ]


# Comparisons


@pytest.fixture(scope="module")
def comparison(tasks):
    methods = [AttentionMethod(), LeaveOneOutMethod(), RandomMethod()]
    done = []
    found = compare(tasks, methods, ks=(1, 2), num_ablations=16, on_task=done.append)
    assert done == [1, 2]
    return found


def test_a_comparison_holds_the_metrics_of_each_target(tasks, comparison):
    assert comparison.methods == ("average-attention", "leave-one-out", "random")
    assert (comparison.examples, comparison.skipped) == (2, 0)
    count = sum(len(task.targets) for task in tasks)
    assert len(comparison.targets) == count
    assert len(comparison.measurements) == 3 * count
    data = EvaluationData.collect(tasks[1], 16)
    scores = LeaveOneOutMethod().scores(tasks[1])
    found = [m for m in comparison.measurements if (m.method, m.example) == ("leave-one-out", 1)]
    assert [m.lds for m in found] == pytest.approx(
        linear_datamodeling_score(scores, data).tolist(),
        abs=0.02,  # ranks of ablations that differ by rounding alone
    )
    drops = top_k_drops(tasks[1], scores, (1, 2), data.whole).flatten().tolist()
    check_close([d for m in found for d in m.drops], drops, scale=size_of(tasks[1]))


def test_statements_that_depend_on_no_source_are_counted_apart(comparison):
    assert comparison.dependent > 0
    for target in comparison.targets:
        assert target.dependent == (target.spread >= DEPENDENT_SPREAD)
    first, *others = comparison.targets
    marked = (replace(first, dependent=True), *(replace(t, dependent=False) for t in others))
    summary = replace(comparison, targets=marked).summary("leave-one-out")
    (value,) = (
        m.lds
        for m in comparison.measurements
        if (m.method, m.example, m.target) == ("leave-one-out", first.example, first.target)
    )
    assert summary.lds_dependent == Estimate(value, None, 1)
    assert summary.lds == comparison.summary("leave-one-out").lds


def test_the_threshold_divides_statements(tasks):
    """Of the two statements that move least and most, one is on each side of what lies between."""
    spread = EvaluationData.collect(tasks[0], 8).spread
    between = float(spread.amin() + spread.amax()) / 2
    found = compare(tasks[:1], [RandomMethod()], num_ablations=8, min_spread=between)
    assert [t.dependent for t in found.targets] == (spread >= between).tolist()
    assert 0 < found.dependent < len(found.targets)


def test_methods_are_told_apart(tasks, comparison):
    average, alone, chance = comparison.summaries
    assert alone.drops[1].mean > chance.drops[1].mean
    assert alone.lds.mean > chance.lds.mean
    assert (average.forward_passes, chance.forward_passes) == (1.0, 0.0)
    assert alone.forward_passes == sum(1 + len(task.sources) for task in tasks) / 2
    assert alone.time_ratio > 2 * average.time_ratio > 2 * chance.time_ratio > 0
    with pytest.raises(KeyError, match="'esm-32' was not compared; there are average-attention"):
        comparison.summary("esm-32")


def test_tasks_without_statements_are_skipped_and_counted(tasks):
    empty = replace(tasks[0], targets=())
    found = compare([empty, tasks[0]], [RandomMethod()], num_ablations=3)
    assert (found.skipped, found.examples) == (1, 1)
    with pytest.raises(InputError, match="of 1 examples none had an answer with a statement"):
        compare([empty], [RandomMethod()])


def test_a_single_source_can_be_measured(demo_reader):
    task = demo_reader.task("Who?", ["The mill was built by Bo."], "Bo built it.")
    assert len(task.sources) == 1
    methods = [AttentionMethod(), LeaveOneOutMethod(), SurrogateMethod(8)]
    found = compare([task], methods, num_ablations=8)
    assert all(math.isfinite(m.lds) for m in found.measurements)
    assert all(len(set(m.drops)) == 1 for m in found.measurements)


@pytest.mark.parametrize(
    ("methods", "options", "message"),
    [
        ([], {}, "No methods to compare"),
        ([RandomMethod(), RandomMethod(1)], {}, "called random, random; expected different"),
        ([RandomMethod()], {"num_ablations": 2}, "num_ablations is 2; expected at least 3"),
        ([RandomMethod()], {"ks": (0,)}, r"ks is \(0,\); expected"),
        ([Fixed(torch.zeros(1, 1))], {}, "fixed returned scores of shape"),
    ],
)
def test_unusable_comparisons(tasks, methods, options, message):
    with pytest.raises(InputError, match=message):
        compare(tasks[:1], methods, **{"num_ablations": 3, **options})


# Examples


def test_examples_bring_their_own_answer_and_prompt(demo_reader):
    passages = world_examples(5, 1, num_passages=(3, 3))[0].passages
    given = TrainingExample("a", "Who?", passages, "Bo built it.", system="Be brief.")
    plain = TrainingExample("b", "Who?", passages, "Bo built it.")
    own = TrainingExample("c", "Who?", passages)
    long = TrainingExample("d", "Who?", (passages[0],) * 400, "Bo built it.")
    left_out = []
    found = list(
        example_tasks(demo_reader, [given, plain, long, own], left_out.append, max_new_tokens=4)
    )
    assert [task.answer.text for task in found[:2]] == ["Bo built it."] * 2
    assert found[0].prompt_length > found[1].prompt_length
    assert found[2].answer.answer_tokens <= 4
    assert [example.id for example in left_out] == ["d"]


# Reports


def test_the_table_shows_every_number(comparison):
    console = Console(width=160, record=True, file=StringIO())
    console.print(comparison_table(comparison))
    text = console.export_text()
    for summary in comparison.summaries:
        (line,) = (line for line in text.splitlines() if f"│ {summary.method} " in line)
        for estimate in (*summary.drops.values(), summary.lds, summary.lds_dependent):
            assert str(estimate) in line
    total, moved = len(comparison.targets), comparison.dependent
    words = " ".join(text.split())
    assert f"over {total} statements of 2 examples" in words
    assert f"{moved} statements depend on their sources; {total - moved} do not" in words


def test_json_holds_everything(comparison, tmp_path):
    write_json(comparison, tmp_path / "c.json")
    read = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert read == comparison.to_dict()
    assert read["dependent"] == comparison.dependent
    assert [m["method"] for m in read["summaries"]] == list(comparison.methods)
    assert read["summaries"][1]["drops"]["2"]["mean"] == comparison.summaries[1].drops[2].mean
    assert len(read["measurements"]) == len(comparison.measurements)


@pytest.mark.parametrize(("ending", "begin"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_plots_are_saved(comparison, tmp_path, ending, begin):
    path = tmp_path / f"c{ending}"
    plot_comparison(comparison, path)
    assert path.read_bytes().startswith(begin)


def test_bars_are_as_long_as_the_means(comparison, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    kept = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path: kept.append(figure))
    plot_comparison(comparison, tmp_path / "c.png")
    drops, lds = kept[0].axes
    expected = [s.drops[k].mean for k in (1, 2) for s in comparison.summaries]
    assert [bar.get_width() for bar in drops.patches] == expected
    expected = [s.lds.mean for s in comparison.summaries]
    assert [bar.get_width() for bar in lds.patches][: len(expected)] == expected
    assert drops.yaxis_inverted()  # the first method on top, as in the table
    assert [t.get_text() for t in lds.get_legend().get_texts()] == [
        "all statements",
        "dependent on a source",
    ]


def test_plots_need_matplotlib_and_a_known_ending(comparison, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"c\.bmp cannot be saved; expected \.png, \.svg, \.pdf"):
        plot_comparison(comparison, tmp_path / "c.bmp")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "at2-rag\[plot\]"'):
        plot_comparison(comparison, tmp_path / "c.png")
    assert not list(tmp_path.iterdir())


# The command


@pytest.fixture(scope="module")
def run():
    """The command, with the errors and exit codes of the whole command line."""
    from typer.testing import CliRunner

    from at2_rag.cli.app import app

    return lambda *args: CliRunner(env={"COLUMNS": "160"}).invoke(app, ["evaluate", *args])


def test_the_command_prints_a_table_and_writes_files(run, tmp_path):
    example = world_examples(6, 1, num_passages=(3, 3))[0]
    line = {"question": example.question, "passages": [p.text for p in example.passages]}
    (tmp_path / "e.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    result = run(
        "--data", str(tmp_path / "e.jsonl"), "--methods", "average-attention, random",
        "--ablations", "4", "--max-new-tokens", "32", "--json", str(tmp_path / "c.json"),
        "--plot", str(tmp_path / "c.svg"),
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "average-attention" in result.stdout
    assert "random" in result.stdout
    assert "has 1 example, fewer than the 50 asked for" in result.stderr
    read = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert (read["examples"], read["num_ablations"]) == (1, 4)
    assert (tmp_path / "c.svg").read_text().count("</svg>") == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--data", "missing.jsonl"), "--data is 'missing.jsonl'; expected worlds, or a file"),
        (("--json", "no/such/folder/c.json"), "cannot be written; expected a file in a folder"),
        (("--plot", "c.bmp"), "cannot be saved; expected .png"),
        (("--methods", "lime"), "There is no method 'lime'; expected one of at2"),
    ],
)
def test_wrong_commands_end_at_once(run, args, message):
    result = run(*args)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_worlds_are_not_those_trained_on(run, demo_reader, tmp_path):
    result = run(
        "--data", "worlds", "--examples", "1", "--methods", "random", "--ablations", "3",
        "--json", str(tmp_path / "c.json"),
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    held_out = world_examples(HELD_OUT_SEED, 1)
    expected = compare(example_tasks(demo_reader, held_out), [RandomMethod()], num_ablations=3)
    read = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert [t["text"] for t in read["targets"]] == [t.text for t in expected.targets]
    trained = {e.question for seed in range(20) for e in world_examples(seed, 20)}
    assert not trained & {e.question for e in held_out}
