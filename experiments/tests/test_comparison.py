"""Methods side by side: records add up, tokens are masked, training is apart, the page is safe."""

from html.parser import HTMLParser
from itertools import pairwise

import pytest
import torch
from at2_rag import ScoreEstimator
from at2_rag.errors import InputError
from at2_rag.evaluation import compare, example_tasks
from at2_rag.evaluation.results import Comparison, MeasuredTarget, Timing
from at2_rag.methods import AttentionMethod, RandomMethod
from hypothesis import given
from hypothesis import strategies as st
from support.rounding import close
from support.runs import Stopped, as_read, records_of, stopping_after, table_of

from at2_rag_experiments import run_experiment
from at2_rag_experiments.comparison.experiment import MethodComparison, MethodComparisonConfig
from at2_rag_experiments.comparison.results import KS, half_in, summarize, timed
from at2_rag_experiments.comparison.side_by_side import comparison_page
from at2_rag_experiments.comparison.timing import BACKWARD, FORWARD, SHIPPED, costs, time_beyond
from at2_rag_experiments.comparison.training import KINDS, ORIGINS, TrainingPlan, label, papers_own
from at2_rag_experiments.examples import examples_for

SMALL = {
    "examples": 2,
    "seed": 5,
    "num_passages": (2, 2),
    "max_new_tokens": 20,
    "training_examples": 2,
    "training_ablations": 6,
    "fit_steps": 20,
    "network_steps": 3,
    "kinds": ("at2", "at2-sentences", "network"),
    "ablations": 6,
    "methods": ("random", "average-attention", "gradient", "leave-one-out", "esm-4"),
    "shown": 1,
}
COLUMNS = ["average-attention", "gradient", "esm-4", "at2 (general)", "at2 (task)", SHIPPED]
LEARNED = [label(kind, origin) for kind in SMALL["kinds"] for origin in ORIGINS]

# Of so few examples nothing is learned that is any good, and that is said.
pytestmark = pytest.mark.filterwarnings("ignore::at2_rag.training.FitWarning")


def small(**told):
    return MethodComparison(MethodComparisonConfig(**{**SMALL, **told}))


@pytest.fixture(scope="module")
def run(demo_reader, tmp_path_factory):
    """Two small worlds: folder, report, and what was told at last.

    Stopped while collecting what is learned from, the second time, and while measuring.
    """
    folder = tmp_path_factory.mktemp("run")
    for steps in (2 + 1, 3 * 2 + 2):
        with pytest.raises(Stopped):
            run_experiment(small(), demo_reader, folder, stopping_after(steps))
    seen = []
    report = run_experiment(small(), demo_reader, folder, lambda *done: seen.append(done))
    return folder, report, seen


@pytest.fixture(scope="module")
def tasks(demo_reader):
    """Two worlds, by unit of the sources."""
    examples = examples_for("measuring", "worlds", 2, 5, num_passages=(2, 2), hops=(2,))
    return {
        unit: list(example_tasks(demo_reader, examples, source_unit=unit, max_new_tokens=20))
        for unit in ("sentence", "token")
    }


def test_every_method_is_measured_with_both_units(run):
    folder, report, _ = run
    results = report.results["units"]
    methods = {unit: [m["method"] for m in results[unit]["methods"]] for unit in results}
    assert methods["sentence"] == [*SMALL["methods"], *LEARNED, SHIPPED]
    # With tokens it would take as many passes as there are tokens.
    assert methods["token"] == [m for m in methods["sentence"] if m != "leave-one-out"]
    assert results["token"]["sources"] > 3 * results["sentence"]["sources"]
    by_name = {m["method"]: m for m in results["sentence"]["methods"]}
    # Nothing drops more than the source that leaving each out finds.
    best = by_name["leave-one-out"]["drops"][1]["mean"]
    assert all(m["drops"][1]["mean"] <= best + 1e-6 for m in by_name.values())
    assert by_name[SHIPPED]["lds_dependent"]["mean"] > by_name["random"]["lds_dependent"]["mean"]
    leads = {(lead["method"], lead["other"]): lead for lead in results["sentence"]["leads"]}
    lead = leads[SHIPPED, "gradient"]
    means = [by_name[name]["lds_dependent"]["mean"] for name in (SHIPPED, "gradient")]
    assert lead["lds"]["mean"] == pytest.approx(means[0] - means[1])
    assert ("at2 (task)", "at2-sentences (task)") in leads
    assert set(report.results["learned"]) == set(LEARNED)
    assert -1 <= report.results["agreement"]["at2"] < 1
    for name in ("table.txt", "figure.png", "side_by_side.html", "results.json"):
        assert (folder / name).stat().st_size > 1000
    assert "…" not in table_of(folder)


def test_coefficients_are_those_of_the_estimators_kept(run):
    folder, report, _ = run
    for name, learned in report.results["learned"].items():
        kind, origin = name.removesuffix(")").split(" (")
        run = folder / f"{KINDS[kind].unit}-{origin}"
        estimator = ScoreEstimator.load(run / "estimators" / KINDS[kind].fit)
        assert estimator.kind == learned["kind"]
        if learned["kind"] == "linear":
            assert torch.equal(torch.tensor(learned["coefficients"]), estimator.head_weights)
        else:
            assert learned["coefficients"] is None
    general, task = (report.results["learned"][f"at2 ({o})"]["coefficients"] for o in ORIGINS)
    assert general != task


def test_the_layers_that_hold_half_of_the_coefficients_are_counted():
    tables = {
        "at2-sentences (general)": [[0.5, -0.5], [0.0, 0.0], [0.25, 0.25]],
        "at2-sentences (task)": [[0.1, 0.1], [0.1, 0.1], [0.1, 0.1]],
        "network (task)": None,
    }
    found = half_in({name: {"coefficients": table} for name, table in tables.items()})
    assert found == {"at2-sentences (general)": 1, "at2-sentences (task)": 2}


def test_where_no_tokens_are_learned_from_sentences_stand_for_the_paper():
    names = [label(kind, origin) for kind in KINDS for origin in ORIGINS]
    assert papers_own(names) == ["at2 (general)", "at2 (task)"]
    assert papers_own(names[2:]) == ["at2-sentences (general)", "at2-sentences (task)"]
    assert papers_own(["at2 (general)", *names[-4:]]) == []


def test_interrupted_it_goes_on(run):
    *_, seen = run
    assert seen == [(1, 3, True), (2, 3, True), (3, 3, False)]


def test_records_add_up_to_the_comparison_of_all(tasks):
    methods = [RandomMethod(3), AttentionMethod()]
    records = [{"units": {"sentence": timed(t, methods, 6, 1)}} for t in tasks["sentence"]]
    left_out = [{"units": None}, {"units": {"sentence": {}}}]
    read = as_read([*records, *left_out])
    found = summarize(read, {})
    together = compare(tasks["sentence"], methods, ks=KS, num_ablations=6, seed=1)
    (unit,) = found.units
    assert found.too_long == 1
    assert unit.comparison.skipped == 1
    assert unit.comparison.targets == together.targets
    assert unit.comparison.measurements == together.measurements
    for name in ("random", "average-attention"):
        ours, theirs = unit.comparison.summary(name), together.summary(name)
        assert (ours.drops, ours.lds_dependent) == (theirs.drops, theirs.lds_dependent)
    assert summarize(left_out, {}) is None


def test_with_tokens_as_sources_tokens_are_masked(tasks):
    task = tasks["token"][0]
    assert all(end - start == 1 for start, end in task.sources)
    scores = AttentionMethod().scores(task)
    found = timed(task, [AttentionMethod()], 6, 0)
    assert found["sources"] == len(task.sources)
    highest = int(scores[0].argmax())
    (start, end) = task.targets[0]
    masks = torch.ones(2, len(task.sources))
    masks[1, highest] = 0
    whole, without = task.ablator().ablate(masks).log_probability(start, end).tolist()
    (first, *_) = found["measurements"]
    assert first["first"] == highest
    assert first["drops"][0] == close(whole - without, abs(without))


def test_average_attention_is_not_taken_for_a_learned_estimator(run, plain_reader):
    """Whose own estimator plays no part in what was learned, so that is there already."""
    asked = small(kinds=("network",), units=("token",), methods=("random",))
    seen = []
    subject = asked.prepare(plain_reader, run[0], lambda *done: seen.append(done))
    assert seen == []
    (measured,) = asked.measure(subject, asked.items()[1])["units"].values()
    assert measured["methods"] == ["random", "network (general)", "network (task)"]


def plan(**told):
    given_ = {"data": "worlds", "general": "dolly", "kinds": ("at2",), "examples": 20}
    given_["num_passages"] = (4, 8)
    steps = {"fit_steps": 5, "network_steps": 1}
    return TrainingPlan(**{**given_, "ablations": 4, **steps, "seed": 0, **told})


def test_what_is_learned_from_in_general_is_another_task():
    worlds = plan()
    asked = {origin: {e.question for e in worlds.examples_of(origin)} for origin in ORIGINS}
    measured_on = {e.question for e in examples_for("measuring", "worlds", 20, 0, hops=(2,))}
    assert not asked["general"] & asked["task"]
    assert not measured_on & (asked["general"] | asked["task"])


def test_with_a_data_set_another_one_is_learned_from_in_general(hotpot, made_up):
    other = f"hotpot_qa={made_up / 'hotpot_qa.jsonl'}"
    data = plan(data=hotpot, general=other, kinds=("copying",))
    # Nothing is measured on the other file, so all of it is learned from.
    assert len(data.examples_of("general")) == 2
    assert len(plan(data=other, general=other).examples_of("general")) == 1
    assert len(data.examples_of("task")) == 20
    assert data.runs == [("general", "sentence"), ("task", "sentence")]


def test_time_is_told_apart_from_the_pass_that_comes_along():
    methods = ("gradient", "esm-2", "at2 (general)", "at2 (task)", "leave-one-out")
    targets = tuple(MeasuredTarget(0, i, "It is.", -1.0, 2.0, True) for i in range(3))
    timings = tuple(Timing(name, 0, 6.0, 2.0, 1.0) for name in methods)
    found = Comparison(methods, KS, 4, 0.7, 0, 0, targets, (), timings)
    steps = costs(found, [{FORWARD: 2.0, "gradient": 11.0, "at2 (task)": 2.5}])
    assert steps == {FORWARD: 1.0, BACKWARD: 1.5, "at2 (task)": 0.25, "esm-2": 3.0}
    beyond = time_beyond(found, steps)
    assert beyond["at2 (general)"] == beyond["at2 (task)"] == 0.25
    assert beyond["gradient"] == beyond["leave-one-out"] == 3.0
    assert BACKWARD not in costs(found, [{FORWARD: 2.0}])


def test_examples_that_do_not_fit_are_counted(hotpot, demo_reader, tmp_path):
    """Bytes instead of words: these contexts are too long for the demo reader."""
    told = {"data": hotpot, "general": hotpot, "kinds": ()}
    with pytest.raises(InputError, match="None of the 2 examples fits"):
        run_experiment(small(**told), demo_reader, tmp_path)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"kinds": ("at2", "deep")}, "kinds holds 'deep'; expected any of at2, "),
        ({"units": ("clause",)}, "source_unit is 'clause'"),
        ({"units": ()}, "units is empty"),
        ({"methods": ("esm",)}, "no method 'esm'"),
        ({"columns": ("esm-9",)}, "columns holds 'esm-9'; expected any of random, "),
        ({"training_examples": 0}, "training_examples is 0"),
        ({"shown": -1}, "shown is -1"),
    ],
)
def test_configs_that_cannot_be_used(told, message):
    with pytest.raises(InputError, match=message):
        small(**told)


# --- the page ------------------------------------------------------------------------------


class _Texts(HTMLParser):
    """Collects what is shown: paragraphs of text, what is marked, shares, headings; and all tags.

    Every element must be closed, in its turn.
    """

    def __init__(self):
        super().__init__()
        self.texts, self.marked, self.shares, self.headings = [], [], [], []
        self.open, self.tags = [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        told = dict(attrs)
        if tag == "meta":
            return
        self.open.append((tag, told.get("class")))
        if self.open[-1] == ("p", "plain"):
            self.texts.append("")
        if tag == "span" and "title" in told:
            self.shares.append(float(told["title"]))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if ("p", "plain") in self.open:
            self.texts[-1] += data
        innermost = self.open[-1][0] if self.open else None
        if innermost == "mark":
            self.marked.append(data)
        if innermost == "h3":
            self.headings.append(data)


def shown(passages, answer="A b.", scores=((0.5, -1.0, 0.25),)):
    edges = [0, 1, 2, len(passages[0][1])]
    record = {
        "question": "<i>Who & why?</i>",
        "answer": answer,
        "statements": [[0, len(answer)]],
        "passages": passages,
        "sources": [[0, a, b] for a, b in pairwise(edges)],
        "scores": {"<m>": [list(row) for row in scores]},
    }
    found = {
        "targets": [{"spread": 1.0}],
        "measurements": [{"method": "<m>", "target": 0, "lds": 0.5, "drops": [1.0, 2.0]}],
    }
    return comparison_page([("id", "token", record, found)], ["absent", "<m>"])


def parsed(text):
    parser = _Texts()
    parser.feed(text)
    parser.close()
    assert not parser.open
    return parser


printed = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("<>&\"'{}\n"), min_size=3
)


@given(printed, printed.filter(str.strip))
def test_whatever_the_text_is_the_page_shows_it(text, answer):
    found = parsed(shown([["<script>alert(1)</script>", text]], answer))
    assert found.texts == [answer, text]
    assert "".join(found.marked) == answer
    assert not found.tags & {"script", "i", "m"}


def test_shares_are_of_the_highest_score():
    assert parsed(shown([["T", "abcd"]])).shares == [1.0, 0.5]
    # Nothing speaks for the statement, so nothing is tinted, and no passage is worth showing.
    none = shown([["T", "abcd"]], scores=((0.0, -1.0, -2.0),))
    assert parsed(none).shares == []
    assert parsed(none).texts == ["A b."]
    assert "1 passage(s) left out" in none


def test_passages_that_no_method_points_at_are_left_out():
    found = parsed(shown([["T", "abcd"], ["U", "Nobody looks here."]]))
    assert found.texts == ["A b.", "abcd"]


def test_the_page_of_a_run_shows_what_was_measured(run):
    folder, *_ = run
    text = (folder / "side_by_side.html").read_text(encoding="utf-8")
    _, first, second = records_of(folder)
    assert first["shown"]
    assert not second["shown"]
    found = parsed(text)
    for unit, record in first["shown"].items():
        assert set(record["scores"]) >= set(COLUMNS)
        assert record["answer"] in found.texts
        spread = [target["spread"] for target in first["units"][unit]["targets"]]
        start, end = record["statements"][spread.index(max(spread))]
        assert record["answer"][start:end] in found.marked
    assert found.headings == COLUMNS * 2
    # It needs nothing from elsewhere.
    assert not {"script", "link", "img"} & found.tags
    assert "http" not in text.replace("http-equiv", "")


def test_scores_on_the_page_are_those_that_were_measured(run):
    folder, *_ = run
    record = records_of(folder)[1]
    for unit, kept in record["shown"].items():
        for found in record["units"][unit]["measurements"]:
            scores = kept["scores"][found["method"]][found["target"]]
            assert scores[found["first"]] == max(scores)
