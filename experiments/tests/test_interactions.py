"""Answers that depend on several sources together: logic, surrogates, and the two readers."""

from itertools import product
from random import Random

import pytest
import torch
from at2_rag.errors import InputError
from at2_rag.methods import method_by_name
from hypothesis import given
from hypothesis import strategies as st
from support.rounding import close
from support.runs import silent

from at2_rag_experiments.interactions.experiment import Interactions, InteractionsConfig
from at2_rag_experiments.interactions.logic_at2 import logic_examples
from at2_rag_experiments.interactions.logic_effects import (
    Surrogate,
    all_masks,
    explained,
    row_of,
    shapley,
)
from at2_rag_experiments.interactions.logic_reader import Lessons, build_tokenizer, logic_reader
from at2_rag_experiments.interactions.logic_worlds import RULES, LogicWorld, draw_world
from at2_rag_experiments.interactions.natural_cases import measure_case, natural_case
from at2_rag_experiments.run import run_experiment

SWITCHES = (("Lin", True), ("Dab", True), ("Kor", False), ("Gol", True))


@pytest.mark.parametrize(
    ("rule", "asked", "question", "lit", "matters"),
    [
        ("copy", (2,), "Kor", False, ()),
        ("copy", (1,), "Dab", True, (1,)),
        ("and", (0, 1), "Lin and Dab", True, (0, 1)),
        ("and", (0, 2), "Lin and Kor", False, ()),
        ("or", (2, 0), "Kor or Lin", True, (0,)),
        ("or", (0, 1), "Lin or Dab", True, (0, 1)),
        ("xor", (1, 0), "Dab xor Lin", False, (0, 1)),
        ("xor", (3, 2), "Gol xor Kor", True, (3,)),
        ("majority", (0, 1, 3), "most of Lin and Dab and Gol", True, (0, 1, 3)),
        ("majority", (0, 2, 3), "most of Lin and Kor and Gol", True, (0, 3)),
    ],
)
def test_rules(rule, asked, question, lit, matters):
    world = LogicWorld(rule, SWITCHES, asked)
    assert world.question == f"Is the lamp by {question} lit?"
    assert world.answer() == f"It is {'on' if lit else 'off'}."
    assert world.lit() is lit
    assert world.matters == matters


def test_what_is_not_told_is_off():
    world = LogicWorld("xor", SWITCHES, (0, 1))
    kept = [False, True, True, True]
    assert [p.text for p in world.passages()] == ["Lin-on. Dab-on.", "Kor-off. Gol-on."]
    assert [p.text for p in world.passages(kept)] == ["Dab-on.", "Kor-off. Gol-on."]
    assert [p.text for p in world.passages([False] * 3 + [True])] == ["Gol-on."]
    assert (world.lit(), world.lit(kept), world.lit([False] * 4)) == (False, True, False)


@given(st.sampled_from(sorted(RULES)), st.integers(0, 10**6), st.integers(4, 7))
def test_what_matters_is_what_some_ablation_shows(rule, seed, switches):
    world = draw_world(Random(seed), rule, switches)
    moved = set()
    for kept in product((False, True), repeat=switches):
        for place in range(switches):
            other = [*kept[:place], not kept[place], *kept[place + 1 :]]
            if world.lit(kept) != world.lit(other):
                moved.add(place)
    assert set(world.matters) == moved
    assert moved <= set(world.asked)


def test_as_many_are_on_as_asked_for():
    for on in range(4):
        assert draw_world(Random(on), "majority", 6, on).on == on
    with pytest.raises(InputError, match="expected 3 to 8"):
        draw_world(Random(0), "majority", 2)


@given(st.integers(1, 7), st.integers(0, 10**6))
def test_shapley_values_share_out_what_all_sources_do(sources, seed):
    effects = torch.randn(2**sources, generator=torch.Generator().manual_seed(seed)).double()
    values = shapley(effects)
    assert float(values.sum()) == pytest.approx(float(effects[-1] - effects[0]), abs=1e-9)
    masks = all_masks(sources)
    assert torch.equal(row_of(masks), torch.arange(2**sources))
    # Of what adds up, each source's value is its own part.
    weights = torch.arange(1.0, sources + 1).double()
    assert torch.allclose(shapley(masks.double() @ weights), weights)


# Variance explained by sums, worked out by hand for two sources kept with probability ½.
@pytest.mark.parametrize(
    ("effect", "share", "values"),
    [
        (lambda a, b: a & b, 2 / 3, (0.5, 0.5)),
        (lambda a, b: a | b, 2 / 3, (0.5, 0.5)),
        (lambda a, b: a ^ b, 0.0, (0.0, 0.0)),
        (lambda a, b: a, 1.0, (1.0, 0.0)),
    ],
)
def test_what_first_order_can_explain(effect, share, values):
    masks = all_masks(4)
    effects = effect(masks[:, 1], masks[:, 3]).double()
    linear, pairs = (Surrogate.fit(masks, effects, order) for order in (1, 2))
    assert explained(linear.predict(masks), effects)[0] == pytest.approx(share, abs=1e-9)
    assert torch.allclose(pairs.predict(masks), effects)
    expected = torch.tensor([0.0, values[0], 0.0, values[1]]).double()
    assert torch.allclose(shapley(effects), expected)
    # Of the variance, whatever the source has a part in.
    matters = sorted({1} if share == 1.0 else {1, 3})
    ranked = pairs.importance.argsort(descending=True).tolist()
    assert sorted(ranked[: len(matters)]) == matters
    if share < 1.0:
        assert float(pairs.importance.sum()) >= float(effects.var(correction=0)) - 1e-9


def test_where_nothing_moves_nothing_is_explained():
    assert explained(torch.arange(4.0), torch.zeros(4)) == (None, None)
    with pytest.raises(InputError, match="expected 1 to 12"):
        all_masks(13)


def test_the_tokenizer_knows_all_worlds():
    tokenizer = build_tokenizer()
    for rule in RULES:
        world = draw_world(Random(1), rule, 6)
        for text in (world.question, world.answer(), *(p.text for p in world.passages())):
            ids = tokenizer(text).input_ids
            assert tokenizer.unk_token_id not in ids
            assert tokenizer.decode(ids) == text


def test_worlds_to_fit_on_and_to_measure_on_differ():
    measured = [
        i for i in Interactions(InteractionsConfig(examples=3)).items() if "natural" not in i.id
    ]
    assert len(measured) == 3 * 15
    fitted = {(e.question, e.passages) for e in logic_examples(6, 200, 0)}
    assert not fitted & {(i.world.question, i.world.passages()) for i in measured}
    assert len({i.id for i in measured}) == len({i.fingerprint for i in measured}) == 45


def test_more_examples_begin_with_the_fewer():
    few, many = (Interactions(InteractionsConfig(examples=n)).items() for n in (1, 2))
    assert list(many[: len(few)]) == list(few)
    assert len(many) == 2 * len(few) == 2 * 17


@pytest.mark.parametrize("index", range(5))
def test_a_fact_is_told_twice(index):
    case = natural_case("or", index, 0, 5)
    (first, place), (second, _) = case.needed
    assert first != second
    assert case.passages[first].title == case.passages[second].title
    assert len(case.passages) == 6
    # Both sentences end the same, in what is asked for.
    value = case.said.rstrip(".").split()[-1]
    told = case.passages[first].text.split(". ")[place], case.passages[second].text
    assert all(value in text for text in told) or value in case.passages[first].title
    assert case == natural_case("or", index, 0, 5)
    assert case.fingerprint != natural_case("or", index, 1, 5).fingerprint


def test_natural_cases_are_measured_as_by_hand(demo_reader):
    for kind in ("or", "and"):
        case = natural_case(kind, 1, 0, 3)
        methods = [method_by_name(name) for name in ("random", "leave-one-out")]
        options = {"max_new_tokens": 48}
        record = measure_case(demo_reader, case, methods, 6, 0, options)
        task = demo_reader.task(case.question, case.passages, **options)
        (start, _), (_, end) = task.targets[0], task.targets[0 if kind == "or" else -1]
        texts = [s.text for s in task.answer.attribution.sources]
        places = [s.passage_index for s in task.answer.attribution.sources]
        rows = []
        for passage, sentence in case.needed:
            rows.append([i for i, p in enumerate(places) if p == passage][sentence])
        assert len({texts[row] for row in rows}) == 2
        masks = torch.ones(3, len(texts), dtype=torch.bool)
        masks[1, rows[0]] = masks[2, rows] = False
        log_p = task.ablator().ablate(masks).log_probability(start, end)
        assert record["alone"][0] == close(float(log_p[0] - log_p[1]), float(log_p.abs().max()))
        assert record["together"] == close(float(log_p[0] - log_p[2]), float(log_p.abs().max()))
        assert set(record["methods"]) == {"random", "leave-one-out"}
        assert 0 <= record["cited"] <= 2


def test_training_is_kept(tmp_path):
    lessons = Lessons(steps=2, batch_size=4)
    steps = []
    first = logic_reader(lessons, tmp_path, lambda *done: steps.append(done))
    assert steps == [(1, 2, False), (2, 2, False)]
    again = logic_reader(lessons, tmp_path, lambda *done: steps.append(done))
    assert len(steps) == 2
    weights = again.model.state_dict()
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, weights[name])
    untrained = logic_reader(Lessons(steps=1, batch_size=4), tmp_path / "..", silent).model
    assert not all(torch.equal(v, weights[n]) for n, v in untrained.state_dict().items())


@pytest.mark.parametrize(
    ("told", "message"),
    [({"data": "hotpot_qa"}, "only known of generated worlds"), ({"switches": 2}, "expected 4")],
)
def test_configs_that_cannot_be_used(told, message):
    with pytest.raises(InputError, match=message):
        InteractionsConfig(**told)


@pytest.mark.filterwarnings("ignore::at2_rag.training.FitWarning")
def test_everything_is_measured(demo_reader, tmp_path):
    """A reader that hardly learned; what it found is no matter here."""
    told = {"examples": 1, "switches": 4, "steps": 35, "fitted": 10, "fit_steps": 2}
    told |= {"num_ablations": 6, "num_passages": 2, "max_new_tokens": 32}
    experiment = Interactions(InteractionsConfig(**told))
    results = run_experiment(experiment, demo_reader, tmp_path).results
    assert [case["rule"] for case in results["logic"]].count("xor") == 3
    assert {case["kind"] for case in results["natural"]} == {"or", "and"}
    for case in results["logic"]:
        assert case["worlds"] == 1
        assert set(case["methods"]) > {"random", "esm-256", "at2-linear", "at2-network", "shapley"}
    # What was trained and fitted is kept, and is not done again.
    seen = []
    experiment.prepare(demo_reader, tmp_path, lambda *done: seen.append(done))
    assert seen == []
