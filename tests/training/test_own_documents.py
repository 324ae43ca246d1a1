"""Own documents: asked about, answered, judged and collected, with the demo reader."""

import json
import math
from dataclasses import replace
from itertools import islice

import pytest
import torch
from support.own_documents import asker_of, world_documents

from at2_rag import InputError, Passage
from at2_rag.datasets.topics import topics
from at2_rag.datasets.written import Dropped, WrittenFiles
from at2_rag.training import AskOptions, collect_documents, load_collected
from at2_rag.training.asking import Asker
from at2_rag.training.budget import Budget
from at2_rag.training.collector import CollectOptions
from at2_rag.training.own_documents import divided

PASSAGES, QUESTIONS = world_documents(2)
ASKING = AskOptions(num_passages=3, max_new_tokens=24)
COLLECTING = CollectOptions(4, "sentence", detail=True)


def run(reader, out, **options):
    options = {"examples": 4, "asking": ASKING, "collecting": COLLECTING, **options}
    return collect_documents(reader, PASSAGES, out, writer=asker_of(QUESTIONS), **options)


@pytest.fixture(scope="module")
def whole(demo_reader, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    return out, run(demo_reader, out)


def files_of(folder):
    """Return what a run wrote, but for how long it took."""
    lines = {}
    for path in folder.glob("*.jsonl"):
        parsed = [json.loads(line) for line in path.read_text().splitlines()]
        lines[path.name] = [{**one, "seconds": 0} for one in parsed]
    return lines, {path.name: path.read_bytes() for path in folder.glob("example-*")}


def test_what_is_kept_goes_back_to_its_passage(whole, demo_reader):
    out, report = whole
    kept = [w for w in WrittenFiles(out).read().values() if w.dropped is None]
    assert len(kept) == report.kept["all"] == 4
    for written in kept:
        assert set(written.about) <= {p.id for p in written.passages} <= {p.id for p in PASSAGES}
        assert len(written.passages) == 3
        example = written.example
        task = demo_reader.task(example.question, example.passages, example.answer)
        gone = [p for p in example.passages if p.id not in written.about]
        bare = demo_reader.task(example.question, gone, example.answer)
        gain = log_probability(task) - log_probability(bare)
        assert gain > 0, "with its passage taken out of the prompt, not masked, it falls as well"
        assert written.gain >= math.log(ASKING.least_factor)


def log_probability(task):
    whole = torch.ones(1, len(task.sources), dtype=torch.bool)
    return float(task.ablator().ablate(whole).log_probabilities(task.targets).sum())


def test_records_are_of_the_questions_and_some_are_without_their_passages(whole):
    out, report = whole
    records = load_collected(out).records
    assert len(records) == report.collected == 5
    assert sum(record.id.endswith("-without") for record in records) == 1
    assert all(record.detail is not None for record in records)
    written = {w.example.id: w for w in WrittenFiles(out).read().values()}
    for record in records:
        assert record.answer == written[record.id.removesuffix("-without")].answer


def test_resumed_equals_whole(whole, demo_reader, tmp_path):
    first = run(demo_reader, tmp_path, examples=2)
    (tmp_path / "example-000001.safetensors").unlink()  # as if it was killed in between
    steps = []
    second = run(demo_reader, tmp_path, progress=steps.append)
    assert files_of(tmp_path) == files_of(whole[0])
    assert (first.kept["all"], second.kept["all"]) == (2, 4)
    assert second.dropped == whole[1].dropped
    assert [step.resumed for step in steps].count(True) >= 1


def test_other_questions_are_another_run(whole, demo_reader):
    with pytest.raises(InputError, match="holds another run"):
        run(demo_reader, whole[0], collecting=replace(COLLECTING, num_ablations=5))


def test_what_the_passage_does_not_make_it_say_is_dropped(demo_reader):
    asker = Asker(demo_reader, PASSAGES, replace(ASKING, least_factor=1e200), asker_of(QUESTIONS))
    found = [asker.ask(topic, set()) for topic in islice(topics(PASSAGES, 0), 4)]
    assert all(written.dropped is not None for written in found)
    assert Dropped.known in {written.dropped for written in found}


def test_a_model_that_writes_no_question_is_asked_about_titles(demo_reader):
    """The demo reader was taught to answer, and never to ask."""
    asker = Asker(demo_reader, PASSAGES, ASKING)
    topic = next(topics(PASSAGES, 0))
    written = asker.ask(topic, set())
    assert written.question in ("", f"What is said about {PASSAGES[topic.about[0]].title}?")


class Clock:
    """Goes on by a minute with each look."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        self.seconds += 60.0
        return self.seconds


def test_the_budget_is_kept_over_all_times(tmp_path):
    clock, path = Clock(), tmp_path / "spent.json"
    budget, steps = Budget(path, 20, clock), 0
    while budget.has_room:
        budget.note()
        steps += 1
    assert steps > 0
    assert json.loads(path.read_text())["seconds"] <= 20 * 60
    assert not Budget(path, 20, clock).left
    assert Budget(path, 200, clock).has_room
    assert Budget(tmp_path / "other.json", None, clock).left is None


def test_nothing_is_begun_that_would_not_fit(demo_reader, tmp_path):
    began = run(demo_reader, tmp_path, examples=None, minutes=0.02)
    assert began.seconds < 60
    again = run(demo_reader, tmp_path, examples=None, minutes=0.02)
    assert sum(again.kept.values()) + sum(again.dropped.values()) <= sum(began.kept.values()) + sum(
        began.dropped.values()
    )


@pytest.mark.parametrize("minutes", [0, -1])
def test_a_budget_is_above_nothing(tmp_path, minutes):
    with pytest.raises(InputError, match="expected more than 0"):
        Budget(tmp_path / "spent.json", minutes)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("documents", [1, 2, 8])
def test_sides_share_no_passage_and_where_there_are_enough_no_document(documents, seed):
    passages, _ = world_documents(documents, seed=seed)
    learned, measured = divided(passages, 1 / 3, seed)
    assert {p.id for p in learned}.isdisjoint(p.id for p in measured)
    assert len(learned) + len(measured) == len(passages)
    assert min(len(learned), len(measured)) >= 2
    if documents == 8:
        paths = [{p.metadata["path"] for p in side} for side in (learned, measured)]
        assert paths[0].isdisjoint(paths[1])


def test_too_few_passages_cannot_be_divided():
    with pytest.raises(InputError, match="at least 4 passages"):
        divided([Passage("One.", id="a"), Passage("Two.", id="b")], 0.5, 0)


def test_one_passage_has_none_to_be_told_from(demo_reader, tmp_path):
    with pytest.raises(InputError, match="expected at least two"):
        collect_documents(demo_reader, PASSAGES[:1], tmp_path)
