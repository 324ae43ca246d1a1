"""Probing: what is asked, which heads are found, what their scores tell, and what is kept."""

import json
import math
import multiprocessing
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.comparing import check_close
from support.golden import load_golden
from support.places import DEMO_MODEL
from support.texts import quick

from at2_rag import (
    CONTEXT,
    FROM_PASSAGES,
    MULTI_PASSAGE,
    LinearEstimator,
    NoHeadsWarning,
    Reader,
    ScoreEstimator,
)
from at2_rag.documents.sentences import sentence_spans
from at2_rag.estimators.files import EstimatorRecord, read_record
from at2_rag.estimators.probing.heads import MOST_HEADS, weigh_heads
from at2_rag.estimators.probing.kept import probed_before, probed_record
from at2_rag.estimators.probing.passes import EQUAL_TOKENS, Seen, encode_probe, see
from at2_rag.estimators.probing.probe import probe
from at2_rag.estimators.probing.questions import probes
from at2_rag.estimators.probing.thresholds import calibrate_by_probes
from at2_rag.model.loading import load_demo_model
from at2_rag.prompt.settings import settings_for

# What is asked


@quick
@given(st.integers(0, 10**6), st.integers(4, 10))
def test_the_needle_says_what_the_statement_says(seed, passages):
    for one in probes(8, passages, seed):
        assert len(one.passages) == passages - 1
        assert sentence_spans(one.said) or one.said
        for statement in one.statements:
            assert (statement.place is None) == (statement.origin != "stated")
            if statement.place is None:
                continue
            index, start, end = statement.place
            sentence = one.passages[index].text[start:end]
            assert (start, end) in sentence_spans(one.passages[index].text)
            if len(one.statements) == 1:  # the short phrase that was asked for
                assert statement.text.rstrip(".").lower() in sentence.lower()


def test_more_probes_only_add_to_fewer_and_all_kinds_are_there():
    assert probes(20)[:7] == probes(7)
    assert probes(20, seed=1) != probes(20)
    kinds = [statement.origin for one in probes(20) for statement in one.statements]
    assert {kind: kinds.count(kind) >= 8 for kind in set(kinds)} == dict.fromkeys(
        ("stated", "removed", "foreign", "repeated"), True
    )


# Which heads are found


def seen_by(heads, needle, origin="stated", sources=6, attention=0.3, earlier=0):
    """Return what heads looked at of which the given ones look at the needle, and others ahead."""
    table = torch.zeros(12, sources)
    table[:, 0] = 0.5
    if needle is not None:
        table[heads] = 0.05
        table[heads, needle] = attention
    where = torch.zeros(sources, dtype=torch.bool)
    if needle is not None:
        where[needle] = True
    return Seen(table, table, where, torch.zeros(12, earlier), origin, -1.0)


def test_heads_that_look_at_the_needle_are_found_and_no_others():
    found = weigh_heads([seen_by([3, 7], needle) for needle in (1, 2, 3, 4, 5)])
    assert found.first == 1.0
    assert found.weights.nonzero().flatten().tolist() == [3, 7]
    assert float(found.weights.sum()) == pytest.approx(1.0)


def test_a_head_counts_by_how_well_it_does_and_only_so_many_do():
    strong = [seen_by([0], needle, attention=0.6) for needle in (1, 2, 3)]
    weak = [seen_by(list(range(1, 12)), needle, attention=0.2) for needle in (1, 2, 3)]
    both = [
        replace(
            a, attention=(table := torch.cat([a.attention[:1], b.attention[1:]])), counted=table
        )
        for a, b in zip(strong, weak, strict=True)
    ]
    weights = weigh_heads(both).weights
    assert int(weights.argmax()) == 0
    assert int((weights > 0).sum()) == MOST_HEADS


def test_where_every_head_looks_elsewhere_none_is_first():
    assert weigh_heads([seen_by([], needle) for needle in (1, 2, 3)]).first == 0.0


def test_thresholds_part_what_is_said_from_what_is_not():
    weights = torch.zeros(12)
    weights[3] = 1.0
    stated = [seen_by([3], needle) for needle in (1, 2, 3)]
    absent = replace(seen_by([3], 1, attention=0.1), origin="removed")
    absent = replace(absent, needle=torch.zeros(6, dtype=torch.bool))
    repeated = replace(stated[0], origin="repeated", earlier=torch.full((12, 2), 0.4))
    apart = replace(stated[1], earlier=torch.full((12, 2), 0.01))
    found = calibrate_by_probes([*stated, absent, repeated, apart], weights)
    assert found.per == "token"
    assert 0.1 < found.supported.threshold < 0.3
    assert 0.05 < found.citations.threshold < 0.3
    assert (found.supported.precision, found.supported.recall) == (1.0, 1.0)
    assert found.earlier.threshold > 0.01


# On models


@pytest.fixture(scope="module")
def demo():
    """A small model, whose attention to names no single head turns into attention to a sentence."""
    return load_demo_model()


@pytest.fixture(scope="module")
def probed():
    """Heads and thresholds as probing leaves them, found in what was made up above."""
    seen = [seen_by([3, 7], needle) for needle in (1, 2, 3)]
    weights = weigh_heads(seen).weights
    about = {"probed": {"version": 1, "heads": [{"layer": 0, "head": 3, "weight": 0.5}]}}
    tensors = {"coefficients": weights.view(3, 4), "equal_tokens": torch.tensor(EQUAL_TOKENS)}
    calibrations = (calibrate_by_probes(seen, weights),)
    return ScoreEstimator.from_record(EstimatorRecord("probed", tensors, about, calibrations))


def test_a_model_without_such_heads_says_so(demo):
    record = probe(*demo)
    assert (record.kind, record.calibrations) == ("copying", ())
    assert "no head finds what an answer goes back to" in record.metadata["probed"]["problem"]


def test_what_heads_see_is_what_a_reader_scores(demo):
    """The very prompt, tokens and sums that answers are scored with."""
    model, tokenizer = demo
    torch.manual_seed(0)
    weights = torch.rand(4, 8)
    tensors = {"coefficients": weights, "equal_tokens": torch.tensor(EQUAL_TOKENS)}
    counted = ScoreEstimator.from_record(EstimatorRecord("probed", tensors, {}, ()))
    one = probes(3, passages=5)[2]
    seen = see(model, encode_probe(tokenizer, one, settings_for(model)))
    for estimator in (LinearEstimator(weights), counted):
        reader = Reader(model, tokenizer, estimator)
        attribution = reader.attribute(one.question, one.passages, one.said).attribution
        for statement, (start, end) in zip(seen, attribution.statements, strict=True):
            looked = statement.counted if estimator is counted else statement.attention
            check_close(attribution.for_span(start, end), weights.flatten() @ looked)


def test_it_is_saved_and_loaded_with_its_thresholds(probed, tmp_path):
    probed.save(tmp_path)
    again = ScoreEstimator.load(tmp_path)
    assert (again.kind, again.calibrations) == ("probed", probed.calibrations)
    assert torch.equal(again.coefficients, probed.coefficients)
    assert again.equal_tokens == probed.equal_tokens == EQUAL_TOKENS
    assert again.metadata == probed.metadata


def test_a_context_that_is_too_short_is_told(golden_llama, monkeypatch):
    monkeypatch.setattr(golden_llama.model.config, "max_position_embeddings", 40)
    record = probe(golden_llama.model, golden_llama.tokenizer)
    assert record.kind == "copying"
    assert "no question with its passages fits its context" in record.metadata["probed"]["problem"]


def test_thresholds_per_token_do_not_change_with_a_statements_length(probed):
    """The mean of a statement said twice is the mean of it said once."""
    [calibration] = probed.calibrations
    supported = calibration.supported
    assert calibration.least(supported, 3) == calibration.least(supported, 30)
    total = replace(calibration, per="statement")
    assert math.isclose(10 * total.least(supported, 30), total.least(supported, 3))


# What is kept


def test_a_model_is_probed_once_and_its_cache_may_be_damaged(demo, tmp_path):
    first = probed_record(*demo, home=tmp_path)
    [folder] = [path for path in tmp_path.iterdir() if path.is_dir()]
    config = folder / "score_estimator.json"
    told = json.loads(config.read_text(encoding="utf-8"))
    told["metadata"]["probed"]["told"] = 1
    config.write_text(json.dumps(told), encoding="utf-8")
    assert probed_record(*demo, home=tmp_path).metadata["probed"]["told"] == 1
    assert probed_record(*demo, home=tmp_path, anew=True).metadata == first.metadata
    config.write_text("{", encoding="utf-8")
    assert probed_record(*demo, home=tmp_path).metadata == first.metadata
    assert read_record(folder, None).metadata["probed"].items() >= first.metadata["probed"].items()


def test_what_was_found_is_told_by_any_name_that_the_model_was_loaded_by(tmp_path):
    model, tokenizer = load_demo_model()
    assert probed_before("elsewhere", tmp_path) is None
    for name in ("here", "there"):
        model.config.name_or_path = name
        record = probed_record(model, tokenizer, home=tmp_path)
        assert "here" not in json.dumps(record.metadata)  # it may be saved, and published
    assert probed_before("here", tmp_path) == probed_before("there", tmp_path)
    assert probed_before("there", tmp_path)["passes"] == 20
    assert probed_before("elsewhere", tmp_path) is None


def test_another_model_is_another_entry(demo, tmp_path):
    golden = load_golden("llama")
    probed_record(*demo, home=tmp_path)
    probed_record(golden.model, golden.tokenizer, home=tmp_path)
    golden.tokenizer.chat_template += " "
    probed_record(golden.model, golden.tokenizer, home=tmp_path)
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 3


def test_another_prompt_is_another_entry_and_is_told(demo, tmp_path):
    for prompt in (None, FROM_PASSAGES, MULTI_PASSAGE, FROM_PASSAGES):
        record = probed_record(*demo, prompt=prompt, home=tmp_path)
        # Without one, as the model was trained.
        assert record.metadata["prompts"] == [(prompt or MULTI_PASSAGE).message]
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2


@pytest.mark.parametrize("name", ["published", "from-passages"])
def test_a_reader_has_its_model_probed_with_its_own_prompt(demo, name):
    with pytest.warns(NoHeadsWarning):
        reader = Reader(*demo, "auto", prompt=name)
    assert reader.estimator.prompts == (reader.settings.prompt.message,)
    with pytest.warns(NoHeadsWarning):
        loaded = Reader.from_pretrained(DEMO_MODEL, prompt=name, dtype="float32")
    assert loaded.estimator.prompts == reader.estimator.prompts
    with pytest.warns(NoHeadsWarning):
        other = reader.with_options(estimator="auto", prompt="published-context")
    assert other.estimator.prompts == (CONTEXT.message,)


def test_a_place_that_cannot_be_written_to_is_done_without(demo, tmp_path):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    found = probed_record(*demo, home=tmp_path / "file")
    assert found.metadata["probed"]["problem"] == probe(*demo).metadata["probed"]["problem"]


def ask(home, answers):
    answers.put(probed_record(*load_demo_model(), home=home).metadata)


def test_processes_may_ask_at_once(demo, tmp_path):
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    started = [context.Process(target=ask, args=(tmp_path, answers)) for _ in range(2)]
    for process in started:
        process.start()
    found = [answers.get(timeout=300) for _ in started]
    for process in started:
        process.join()
    assert found[0] == found[1]
    assert [process.exitcode for process in started] == [0, 0]
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1


def test_probed_heads_are_linear(probed):
    assert isinstance(probed, LinearEstimator)
    assert probed.compares_tokens
