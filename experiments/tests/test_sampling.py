"""Greedy and sampled answers: what was drawn, whether it can be drawn again, what must hold."""

import pytest
import torch
from at2_rag.errors import InputError
from at2_rag.methods import AttentionMethod
from support.rounding import close
from support.runs import as_read, records_of, results_of, table_of

from at2_rag_experiments import run_experiment
from at2_rag_experiments.sampling.draws import alternative_to, gaps, likeliest
from at2_rag_experiments.sampling.experiment import Sampling, SamplingConfig
from at2_rag_experiments.sampling.results import MOST_LIKELY, summarize

#: One temperature at which the demo reader nearly always draws another answer.
SMALL = {
    "examples": 2,
    "temperatures": (3.0,),
    "num_ablations": 8,
    "num_passages": (2, 3),
    "max_new_tokens": 16,
}


def small(**told):
    return Sampling(SamplingConfig(**{**SMALL, "methods": ("average-attention", "at2"), **told}))


@pytest.fixture(scope="module")
def run(demo_reader, tmp_path_factory):
    """Both examples: the folder of results."""
    folder = tmp_path_factory.mktemp("run")
    run_experiment(small(), demo_reader, folder)
    return folder


@pytest.fixture(scope="module")
def records(run):
    return records_of(run)


@pytest.fixture(scope="module")
def task(demo_reader):
    """A greedy answer."""
    item = small().items()[0]
    return demo_reader.task(item.question, item.passages, max_new_tokens=24)


def test_greedy_tokens_are_the_likeliest(task):
    assert float(gaps(task).max()) < MOST_LIKELY
    assert likeliest(task, 0) == task.ids[task.prompt_length]


def test_a_gap_is_the_ratio_of_probabilities(demo_reader, task):
    question = task.answer.question
    # In the middle of the same answer, two words in the wrong order.
    first, second, third, *others = task.answer.text.split(" ")
    said = " ".join([first, third, second, *others])
    other = demo_reader.task(question, task.answer.passages, said)
    changed = gaps(other)
    places = torch.nonzero(changed > MOST_LIKELY)[:, 0].tolist()
    assert places
    with torch.inference_mode():
        logits = other.model(torch.tensor([other.ids])).logits[0].double().log_softmax(-1)
    for place in places:
        row = logits[other.prompt_length + place - 1]
        expected = row.max() - row[other.ids[other.prompt_length + place]]
        assert float(changed[place]) == close(float(expected), float(row.abs().max()))
        assert likeliest(other, place) == int(row.argmax())


def test_plain_attention_cannot_tell_the_tokens_of_one_place_apart(demo_reader, task):
    """What a token is has no part in the attention that predicts it; effects tell them apart."""
    said = task.answer.text.replace(" is ", " was ", 1)
    other = demo_reader.task(task.answer.question, task.answer.passages, said)
    place = int(gaps(other).argmax())
    methods = [AttentionMethod(), AttentionMethod(demo_reader.estimator)]
    found = alternative_to(other, place, methods)
    drawn, instead = found["first"]["average-attention"]
    assert drawn == instead
    assert set(found["first"]) == {"average-attention", "at2"}
    # By hand: the source for the token drawn, left out alone.
    source, effect = found["drawn"]
    masks = torch.ones(2, len(other.sources), dtype=torch.bool)
    masks[1, source] = False
    log_p = other.ablator().ablate(masks).log_probability(place, place + 1)
    assert effect == close(float(log_p[0] - log_p[1]), float(log_p.abs().max()))
    if found["likeliest"][0] == source:
        assert found["across"] == pytest.approx(effect)


def test_draws_are_repeatable_and_leave_no_trace(demo_reader, records):
    """Whichever example is measured alone, as after an interruption, and at which temperatures."""
    _, second = small().items()
    torch.manual_seed(123)
    state = torch.get_rng_state()
    assert as_read(small().measure(demo_reader, second)) == records[1]
    assert torch.equal(torch.get_rng_state(), state)
    more = small(temperatures=(2.9, 3.0), num_ablations=4, methods=("average-attention",))
    texts = {a["temperature"]: a["text"] for a in more.measure(demo_reader, second)["answers"]}
    assert [texts[a["temperature"]] for a in records[1]["answers"]] == [
        a["text"] for a in records[1]["answers"]
    ]


def test_a_hot_answer_is_no_greedy_one(records):
    greedy, hot = records[0]["answers"]
    assert (greedy["temperature"], hot["temperature"]) == (0.0, 3.0)
    assert greedy["text"] != hot["text"]
    assert all(s["gap"] <= MOST_LIKELY and s["alternative"] is None for s in greedy["statements"])
    assert any(s["gap"] > MOST_LIKELY and s["alternative"] for s in hot["statements"])


def test_the_same_answer_is_measured_to_the_same(demo_reader):
    """At hardly any temperature nothing but the greedy answer is drawn."""
    record = small(temperatures=(0.01,)).measure(demo_reader, small().items()[0])
    greedy, cold = record["answers"]
    assert {**cold, "temperature": 0.0} == greedy


def test_everything_is_written(run):
    assert "…" not in table_of(run)
    results = results_of(run)
    assert (results["examples"], results["too_long"]) == (2, 0)


def test_parts_add_up(records):
    found = summarize(records, (1, 3))
    greedy, hot = found.part(0.0), found.part(3.0)
    assert greedy.as_greedy.mean == 1.0
    assert hot.as_greedy.mean < 1.0
    kinds = [p for p in found.parts if p.temperature == 3.0 and p.draws]
    assert sum(part.statements for part in kinds) == hot.statements
    drawn = [p for p in found.parts if p.temperature is None]
    assert sum(part.statements for part in drawn) == hot.statements
    assert found.instead.tokens >= found.instead.own
    assert summarize([{"too_long_by": 3}], (1, 3)) is None


def test_a_reader_without_an_estimator_is_measured_without_at2(plain_reader):
    record = small().measure(plain_reader, small().items()[0])
    assert list(record["answers"][0]["statements"][0]["methods"]) == ["average-attention"]


def test_other_data_and_what_does_not_fit(hotpot, demo_reader, tmp_path):
    experiment = small(data=hotpot, examples=3)
    assert len(experiment.items()) == 3
    assert all(experiment.measure(demo_reader, i)["too_long_by"] > 0 for i in experiment.items())
    with pytest.raises(InputError, match="None of the 3 examples"):
        run_experiment(experiment, demo_reader, tmp_path)


@pytest.mark.parametrize("temperatures", [(), (0.5, 0.0)])
def test_temperatures_that_cannot_be_used(temperatures):
    with pytest.raises(InputError, match="expected some above 0"):
        SamplingConfig(temperatures=temperatures)
