"""Collecting: what is stored, what survives, what is refused."""

import errno
import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from support.collecting import ANSWER, make_examples, run
from support.comparing import check_close
from support.golden import llama_reader
from support.places import TESTS

from at2_rag import FROM_PASSAGES, FileFormatError, InputError, Passage, Reader
from at2_rag.ablation.masking import Ablator
from at2_rag.attention.probe import AttentionShape
from at2_rag.attention.recording import capture_of
from at2_rag.training import (
    CorruptRecordWarning,
    DiskFullError,
    SkipReason,
    TrainingExample,
    TrainingRecord,
    ablation_data,
    collect,
    load_collected,
    read_examples,
    world_examples,
)
from at2_rag.training.collector import example_masks
from at2_rag.training.records import prompts_of


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(golden_reader, tmp_path_factory):
    """A run that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole")
    report = run(golden_reader, folder)
    assert (report.stored, report.resumed, report.skipped, report.examples) == (5, 0, {}, 5)
    return folder


def test_records_hold_what_ablations_did(golden_reader, whole):
    collected = load_collected(whole)
    examples = make_examples()
    assert [r.id for r in collected.records] == [e.id for e in examples]
    record, example = collected.records[3], examples[3]
    task = golden_reader.task(example.question, example.passages, ANSWER, source_unit="sentence")
    assert record.answer == ANSWER
    assert record.shape == AttentionShape(3, 4)
    assert torch.equal(record.masks, example_masks(example.id, 4, len(task.sources), 0))
    data = ablation_data(task, record.masks, capture_of(golden_reader.model))
    assert record.features.shape == (2, 4, 12)
    largest = data.features.abs().amax(dim=1, keepdim=True)
    assert bool(((record.features - data.features).abs() <= 2**-11 * largest).all())
    check_close(record.outputs, data.outputs)
    check_close(record.log_probabilities, data.log_probabilities)


def test_a_record_knows_the_prompt_that_the_model_was_asked_with(golden_reader, tmp_path):
    first, second = make_examples(2)
    run(golden_reader, tmp_path, [replace(first, prompt=FROM_PASSAGES), second])
    records = load_collected(tmp_path).records
    assert [record.prompt for record in records] == [
        FROM_PASSAGES.message,
        golden_reader.settings.prompt.message,
    ]
    assert prompts_of(records) == tuple(sorted(record.prompt for record in records))
    # One that nobody noted may be any.
    assert prompts_of([*records, replace(records[0], prompt=None)]) == ()


def test_small_features_keep_their_bits():
    """In plain float16 this head would be 0."""
    features = torch.tensor([[[1.0, 3e-9], [0.5, -1e-9]]])
    record = TrainingRecord(
        "a", "f", "x", AttentionShape(1, 2), torch.ones(2, 2, dtype=torch.bool),
        features, torch.zeros(1, 2), torch.zeros(1, 2),
    )  # fmt: skip
    again = TrainingRecord.from_bytes(record.to_bytes())
    torch.testing.assert_close(again.features, features, rtol=2**-11, atol=0)
    assert record.to_bytes() == record.to_bytes()


def test_masks_depend_on_the_example_and_the_seed_alone():
    masks = example_masks("a", 8, 20, 0)
    assert torch.equal(masks, example_masks("a", 8, 20, 0))
    assert not torch.equal(masks, example_masks("b", 8, 20, 0))
    assert not torch.equal(masks, example_masks("a", 8, 20, 1))


def test_shards_in_one_folder_or_several_are_the_whole(golden_reader, whole, tmp_path):
    for index in (1, 0):
        run(golden_reader, tmp_path / "one", shard=(index, 2))
        run(golden_reader, tmp_path / f"part{index}", shard=(index, 2))
    assert contents(tmp_path / "one") == contents(whole)
    assert len(contents(tmp_path / "part1")) == 3
    several = load_collected(tmp_path / "part1", tmp_path / "part0")
    expected = load_collected(whole)
    assert several.manifest == expected.manifest
    for got, wanted in zip(several.records, expected.records, strict=True):
        assert got.to_bytes() == wanted.to_bytes()


def test_two_shards_may_begin_at_the_same_moment(golden_reader, whole, tmp_path, monkeypatch):
    """The other one makes its manifest while this one's is still under its hidden name."""
    link, others = os.link, [(1, 2)]

    def overtaken(source, target):
        if others:
            run(golden_reader, tmp_path, shard=others.pop())
        link(source, target)

    monkeypatch.setattr(os, "link", overtaken)
    assert run(golden_reader, tmp_path, shard=(0, 2)).stored == 3
    assert contents(tmp_path) == contents(whole)


def test_another_run_that_begins_at_the_same_moment_is_refused(
    golden_reader, tmp_path, monkeypatch
):
    link, others = os.link, [7]

    def overtaken(source, target):
        if others:
            run(golden_reader, tmp_path, seed=others.pop(), max_examples=1)
        link(source, target)

    monkeypatch.setattr(os, "link", overtaken)
    with pytest.raises(InputError, match="seed is 0, there 7"):
        run(golden_reader, tmp_path)


def test_batch_size_changes_nothing_but_rounding(golden_reader, whole, tmp_path):
    run(golden_reader, tmp_path, byte_limit=1)
    pairs = zip(load_collected(tmp_path).records, load_collected(whole).records, strict=True)
    for got, wanted in pairs:
        assert torch.equal(got.masks, wanted.masks)
        assert torch.equal(got.features, wanted.features)  # of one pass, whatever the batches
        check_close(got.outputs, wanted.outputs)


def test_longer_runs_only_add(golden_reader, whole, tmp_path):
    first = run(golden_reader, tmp_path, max_examples=2)
    assert first.stored == 2
    seen = []
    report = run(golden_reader, tmp_path, iter(make_examples()), progress=seen.append)
    assert (report.stored, report.resumed) == (3, 2)
    assert [outcome.resumed for outcome in seen] == [True, True, False, False, False]
    assert contents(tmp_path) == contents(whole)


def test_tokens_are_the_default_and_the_model_answers_itself(golden_reader, tmp_path):
    example = world_examples(1, 1, num_passages=(2, 2))[0]
    report = collect(golden_reader, [example], tmp_path, num_ablations=2)
    assert report.stored == 1
    record = load_collected(tmp_path).records[0]
    task = golden_reader.task(example.question, example.passages, source_unit="token")
    assert record.answer == task.answer.text != ""
    assert record.masks.shape == (2, len(task.sources))
    assert json.loads((tmp_path / "manifest.json").read_text())["source_unit"] == "token"


# --- kill -9 -------------------------------------------------------------------------------

_COLLECT = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from support.collecting import make_examples, run
from support.golden import llama_reader
run(llama_reader(), Path(sys.argv[1]), make_examples(40))
"""


def test_a_killed_process_loses_the_example_in_hand_only(golden_reader, whole, tmp_path):
    command = [sys.executable, "-c", _COLLECT.format(tests=str(TESTS)), str(tmp_path)]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("example-*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    left = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("example-*")}
    assert 1 <= len(left) < 40
    report = run(golden_reader, tmp_path, make_examples(max(5, len(left))))
    assert report.resumed == len(left)
    assert {n: (tmp_path / n).stat().st_mtime_ns for n in left} == left
    for name, data in contents(whole).items():
        assert (tmp_path / name).read_bytes() == data


def _die_at(how, name, after):
    """Have a process die before or after a file's bytes get its name."""
    name_it = getattr(os, how)

    def die(source, target):
        if after or target.name != name:
            name_it(source, target)
        if target.name == name:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(os, how, die)


def _die_before_naming(reader, out, name):
    for how in ("link", "replace"):
        _die_at(how, name, after=False)
    run(reader, out)


def _die_after_naming(reader, out, name):
    for how in ("link", "replace"):
        _die_at(how, name, after=True)
    run(reader, out)


def _is_written(folder, name, descriptor):
    """Whether a descriptor is of the hidden file that a name's bytes go to."""
    hidden = [path.stat() for path in folder.glob(f".{name}.*.tmp")]
    return any(os.path.samestat(os.fstat(descriptor), found) for found in hidden)


def _die_half_written(reader, out, name):
    to_disk = os.fsync

    def write_half_and_die(descriptor):
        if _is_written(out, name, descriptor):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        to_disk(descriptor)

    os.fsync = write_half_and_die
    run(reader, out)


@pytest.mark.parametrize(
    ("die", "left"), [(_die_half_written, 2), (_die_before_naming, 2), (_die_after_naming, 3)]
)
@pytest.mark.parametrize("name", ["example-000002.safetensors", "manifest.json"])
def test_killed_at_the_worst_moments(golden_reader, whole, tmp_path, die, left, name):
    forked = multiprocessing.get_context("fork")
    process = forked.Process(target=die, args=(golden_reader, tmp_path, name))
    process.start()
    process.join(300)
    assert process.exitcode == -signal.SIGKILL
    whole_files = [p for p in tmp_path.iterdir() if not p.name.startswith(".")]
    begun = name != "manifest.json"
    assert len(whole_files) == (left + 1 if begun else left - 2)
    report = run(golden_reader, tmp_path)
    assert report.resumed == (left if begun else 0)
    for path in tmp_path.glob(".*"):  # what was killed, as it is two days later
        os.utime(path, times=(time.time() - 2 * 24 * 3600,) * 2)
    assert run(golden_reader, tmp_path).resumed == 5
    assert contents(tmp_path) == contents(whole)


# --- what goes wrong -----------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_so_and_keeps_nothing_half_written(
    golden_reader, whole, tmp_path, monkeypatch, number
):
    to_disk = os.fsync

    def until_full(descriptor):
        if _is_written(tmp_path, "example-000002.safetensors", descriptor):
            os.ftruncate(descriptor, 100)
            raise OSError(number, os.strerror(number))
        to_disk(descriptor)

    monkeypatch.setattr(os, "fsync", until_full)
    with pytest.raises(DiskFullError, match=r"disk is full: .*example-000002.*run the same again"):
        run(golden_reader, tmp_path)
    stored = contents(whole)
    kept = ("manifest.json", "example-000000.safetensors", "example-000001.safetensors")
    assert contents(tmp_path) == {name: stored[name] for name in kept}
    monkeypatch.undo()
    assert run(golden_reader, tmp_path).resumed == 2
    assert contents(tmp_path) == stored


def test_a_folder_that_cannot_be_written_to(golden_reader, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="file/run cannot be written"):
        run(golden_reader, tmp_path / "file" / "run")


def test_another_run_is_refused_with_what_differs(golden_reader, whole):
    before = contents(whole)
    with pytest.raises(InputError, match=r"holds another run: num_ablations is 5, there 4\. Use"):
        run(golden_reader, whole, num_ablations=5)
    with pytest.raises(InputError, match="seed is 1, there 0; source_unit is 'token', there 'sen"):
        run(golden_reader, whole, seed=1, source_unit="token")
    trained_on = llama_reader()
    with torch.no_grad():
        trained_on.model.lm_head.weight[0] += 1
    with pytest.raises(InputError, match=r"model\.weights is .*; the model is .*llama.* in both"):
        run(trained_on, whole)
    short = llama_reader()
    short.model.to(torch.bfloat16)
    with pytest.raises(InputError, match=r'dtype="float32" \(--dtype float32\) loads it as it was'):
        run(short, whole)
    told = Reader(
        golden_reader.model, golden_reader.tokenizer, golden_reader.estimator,
        max_new_tokens=24, system="Be brief.",
    )  # fmt: skip
    with pytest.raises(InputError, match=r"settings\.system is 'Be brief\.', there None"):
        run(told, whole)
    assert contents(whole) == before


def test_other_data_is_refused(golden_reader, whole):
    examples = make_examples()
    with pytest.raises(
        InputError, match=r"its example 0 is 'world-0-0', and now it is 'world-0-1'\."
    ):
        run(golden_reader, whole, examples[1:])
    examples[2] = replace(examples[2], question="Who?")
    with pytest.raises(InputError, match="example 2, 'world-0-2', had another text"):
        run(golden_reader, whole, examples)


def test_folders_of_different_runs_do_not_mix(golden_reader, whole, tmp_path):
    run(golden_reader, tmp_path, seed=7, max_examples=1)
    with pytest.raises(InputError, match="of different runs: seed is 0, there 7"):
        load_collected(whole, tmp_path)


@pytest.fixture
def copy(whole, tmp_path):
    for name, data in contents(whole).items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def _truncate(data):
    return data[:-3]


def _flip_one_bit(data):
    return data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]


def _empty(data):
    return b""


def _other_file(data):
    return b"PK\x03\x04 is no record at all" * 4


@pytest.mark.parametrize("damage", [_truncate, _flip_one_bit, _empty, _other_file])
def test_damaged_records_are_named_and_skipped_on_request(copy, damage):
    path = copy / "example-000001.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(FileFormatError, match=r"example-000001.safetensors is damaged: .*Delete"):
        load_collected(copy)
    with pytest.warns(CorruptRecordWarning, match="Left out: .*example-000001"):
        collected = load_collected(copy, on_corrupt="skip")
    assert [r.id for r in collected.records] == [f"world-0-{i}" for i in (0, 2, 3, 4)]


def test_resuming_over_a_damaged_record_names_it(golden_reader, whole, copy):
    path = copy / "example-000001.safetensors"
    path.write_bytes(b"")
    with pytest.raises(FileFormatError, match=r"example-000001.safetensors is damaged"):
        run(golden_reader, copy)
    path.unlink()
    assert run(golden_reader, copy).stored == 1
    assert contents(copy) == contents(whole)


def test_folders_without_a_usable_manifest(golden_reader, copy, tmp_path_factory):
    with pytest.raises(FileFormatError, match=r"has no manifest\.json; expected a folder"):
        load_collected(tmp_path_factory.mktemp("empty"))
    (copy / "manifest.json").write_text("{")
    with pytest.raises(FileFormatError, match=r"manifest\.json cannot be read"):
        load_collected(copy)
    (copy / "manifest.json").unlink()
    with pytest.raises(FileFormatError, match=r"holds records and no manifest\.json"):
        run(golden_reader, copy)
    with pytest.raises(InputError, match="There are 0 folders"):
        load_collected()


def bad_example(**changes):
    base = TrainingExample("bad", "Who built the mill?", (Passage("A man. A town."),), ANSWER)
    return replace(base, **changes)


LONG = (Passage("the river and the mill " * 800),)
UNUSABLE = [
    ({"passages": LONG}, SkipReason.too_long),
    ({"passages": LONG, "answer": None}, SkipReason.too_long),
    ({"answer": " \n"}, SkipReason.empty_answer),
    ({"answer": "?!"}, SkipReason.no_statement),
    ({"passages": (Passage("Only this."),)}, SkipReason.single_source),
]


@pytest.mark.parametrize(("changes", "reason"), UNUSABLE)
def test_unusable_examples_are_skipped_counted_and_not_tried_again(
    golden_reader, tmp_path, monkeypatch, changes, reason
):
    examples = [bad_example(**changes), make_examples(1)[0]]
    seen = []
    report = run(golden_reader, tmp_path, examples, progress=seen.append)
    assert (report.stored, report.skipped) == (1, {reason: 1})
    assert [outcome.skipped for outcome in seen] == [reason, None]
    collected = load_collected(tmp_path)
    assert collected.skipped == {reason: 1}
    assert len(collected.records) == 1
    stored = json.loads((tmp_path / "example-000000.skip.json").read_text())
    assert (stored["id"], stored["reason"]) == ("bad", reason.value)
    assert stored["detail"]
    monkeypatch.setattr(Reader, "task", None)  # would fail if anything were tried again
    assert run(golden_reader, tmp_path, examples).resumed == 2


def test_a_model_that_says_nothing_is_skipped(tmp_path):
    reader = llama_reader()
    # Any token now ends the answer, the first one too.
    reader.model.generation_config.eos_token_id = list(range(len(reader.tokenizer)))
    report = run(reader, tmp_path, [bad_example(answer=None)])
    assert report.skipped == {SkipReason.empty_answer: 1}


def test_nan_outputs_are_skipped(tmp_path):
    reader = llama_reader()
    with torch.no_grad():
        reader.model.lm_head.weight.fill_(math.nan)
    report = run(reader, tmp_path, [bad_example()])
    assert (report.stored, report.skipped) == (0, {SkipReason.not_finite: 1})


def test_out_of_memory_is_tried_again_the_next_time(golden_reader, tmp_path, monkeypatch):
    def full(self, masks):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(Ablator, "ablate", full)
    assert run(golden_reader, tmp_path).skipped == {SkipReason.out_of_memory: 5}
    monkeypatch.undo()
    assert run(golden_reader, tmp_path).stored == 5


def test_unusable_arguments(golden_reader, tmp_path):
    for options, message in [
        ({"num_ablations": 1}, "num_ablations is 1; expected at least 2"),
        ({"source_unit": "page"}, "source_unit is 'page'"),
        ({"shard": (2, 2)}, r"shard is \(2, 2\); expected \(index, count\)"),
        ({"max_examples": -1}, "max_examples is -1; expected"),
        ({"examples": [bad_example(), bad_example()]}, "Two examples have the id 'bad'"),
        ({"examples": [bad_example(passages=())]}, "The example 'bad' cannot be used: No passages"),
    ]:
        with pytest.raises(InputError, match=message):
            run(golden_reader, tmp_path / f"{message}", **options)


# --- examples ------------------------------------------------------------------------------


def test_world_examples_follow_the_seed_and_only_grow():
    few, many = world_examples(3, 4), world_examples(3, 9)
    assert many[:4] == few
    assert world_examples(4, 4) != few
    assert {len(e.passages) for e in world_examples(3, 60)} == {4, 5, 6, 7, 8}
    assert len({e.question for e in many}) == 9
    assert all(e.answer is None for e in many)
    with pytest.raises(InputError, match=r"num_passages is \(5, 3\)"):
        world_examples(0, 1, num_passages=(5, 3))


def test_examples_from_json_lines(tmp_path):
    path = tmp_path / "data.jsonl"
    lines = [
        {"question": "Who?", "passages": ["One.", {"text": "Two.", "title": "T", "id": 7}]},
        {"id": 5, "question": "What?", "passages": ["Three."], "answer": "That.", "other": 1},
        {
            "id": "x", "question": "Why?", "passages": ["Four."], "system": "Be brief.",
            "history": [{"role": "user", "content": "Hi"}],
        },
    ]  # fmt: skip
    path.write_text("\ufeff\n" + "\n\n".join(map(json.dumps, lines)), encoding="utf-8")
    first, second, third = read_examples(path)
    assert first == TrainingExample(
        "line-2", "Who?", (Passage("One."), Passage("Two.", title="T", id="7"))
    )
    assert (second.id, second.answer, second.passages) == ("5", "That.", (Passage("Three."),))
    assert third.options == {"system": "Be brief."}
    assert third.history == ({"role": "user", "content": "Hi"},)
    assert len({e.fingerprint for e in (first, second, third)}) == 3


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "malformed JSON"),
        ("[1]", "a JSON list; expected an object"),
        ('{"passages": ["a"]}', "'question' is None; expected text"),
        ('{"question": 3, "passages": ["a"]}', "'question' is a int; expected a string"),
        ('{"question": "q"}', "'passages' is a NoneType; expected a list"),
        ('{"question": "q", "passages": []}', "No passages were given"),
        ('{"question": "q", "passages": ["a", {"title": "t"}]}', r"passages\[1\] is no string"),
        ('{"question": "q", "passages": ["a"], "answer": 4}', "'answer' is a int"),
        ('{"question": "q", "passages": ["\\ud800"]}', "half of a surrogate"),
        ('{"question": "q", "passages": ["a"], "history": ["hi"]}', "history.0. is 'hi'"),
        ('{"question": "q", "passages": ["a"], "id": "same"}', "the id 'same' is also used on l"),
        ("\xff", "is not UTF-8"),
    ],
)
def test_a_bad_line_is_named_with_path_and_number(tmp_path, line, problem):
    path = tmp_path / "data.jsonl"
    good = '{"question": "q", "passages": ["a"], "id": "same"}\n\n'
    path.write_bytes(good.encode() + line.encode("latin-1"))
    with pytest.raises(FileFormatError, match=rf"data\.jsonl:3: .*{problem}"):
        read_examples(path)


def test_files_with_nothing_to_read(tmp_path):
    with pytest.raises(FileFormatError, match=r"none\.jsonl: cannot be read: No such file"):
        read_examples(tmp_path / "none.jsonl")
    (tmp_path / "blank.jsonl").write_text("\n \n")
    with pytest.raises(FileFormatError, match=r"blank\.jsonl: the file is empty"):
        read_examples(tmp_path / "blank.jsonl")
