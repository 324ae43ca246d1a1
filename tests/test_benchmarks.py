"""Each benchmark at a toy size: that numbers are there and right; never what a clock says."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.comparing import check_close
from support.places import REPOSITORY

from at2_rag.ablation.masking import random_masks
from at2_rag.attention.folds import sum_ranges
from benchmarks import __main__ as command
from benchmarks import memory, profiles
from benchmarks.aims import aims_rows
from benchmarks.bench import Bench
from benchmarks.budget import Budget
from benchmarks.collection import collection_task, full_logit_ablations
from benchmarks.growth import exponent, score_sources
from benchmarks.machine import describe, kind
from benchmarks.memory_child import measured
from benchmarks.methods import METHODS, Passes, Size, peak_bytes
from benchmarks.profiles import PROFILES, QUICK
from benchmarks.records import Measurement, section_table
from benchmarks.references import saved_hidden_states
from benchmarks.report import as_markdown
from benchmarks.shapes import (
    SHAPES,
    Heads,
    Shape,
    random_estimator,
    random_ids,
    with_real_weights,
)
from benchmarks.timing import ScoringAlone, accounting
from benchmarks.worlds import questions, random_reader

CPU = torch.device("cpu")
LLAMA = Shape("toy-llama", "llama", 3, 64, 4, 2, 96, 2000)
QWEN = Shape("toy-qwen2", "qwen2", 2, 96, 6, 2, 128, 2000)
TOY = replace(
    QUICK,
    name="toy",
    models=(LLAMA,),
    scoring=((Size(24, 5),), (Size(12, 3, 2),)),
    memory=(Size(48, 8),),
    heads_alone=(Heads(2, 4, 2, 16),),
    size_alone=Size(64, 8),
    recording=(Size(16, 4),),
    collection=(2, 3),
    growth={"context": (32, 64), "answer": (4, 8), "sources": (2, 4), "layers": (1, 2)}
    | {"batch": (1, 2)},
    growth_base={"context": 64, "answer": 8, "sources": 4, "layers": 2, "batch": 1},
    passages=4,
    questions=2,
    rounds=2,
)


def make_bench(profile=TOY, seconds=math.inf, memory_limit=2**33):
    return Bench(profile, CPU, Budget(seconds, seconds), memory_limit, threads=1)


def values_of(measurements):
    """Check that there are finite numbers, and return them by point."""
    found = {}
    for measurement in measurements:
        assert not measurement.skipped, measurement
        assert all(math.isfinite(value) for value in measurement.values.values()), measurement
        found[(measurement.model, *measurement.point.values())] = measurement.values
    assert found
    return found


@pytest.mark.parametrize("shape", [LLAMA, QWEN], ids=lambda shape: shape.name)
@pytest.mark.parametrize("size", [Size(24, 5), Size(17, 1), Size(12, 3, 2)], ids=str)
def test_both_references_give_the_scores_of_the_library(shape, size):
    passes = Passes.of(shape, shape.build(), size)
    found = passes.ready("library")()
    assert found.shape == (size.batch, size.answer, size.tokens)
    expected = passes.summed(found)
    assert expected.abs().max() > 1e-3
    for method in ("hidden states", "eager"):
        check_close(passes.summed(passes.ready(method)()), expected)


def test_methods_leave_the_model_as_it_was_for_the_next():
    passes = Passes.of(LLAMA, LLAMA.build(), Size(24, 5))
    before = {method: passes.ready(method)() for method in METHODS}
    for method in reversed(METHODS):
        check_close(passes.ready(method)(), before[method])


def test_few_heads_count_where_most_coefficients_are_zero():
    sparse = random_estimator(10, 4, zeros=0.9).coefficients
    assert (sparse != 0).sum() == 4
    assert sparse.abs().sum() == pytest.approx(1)
    assert (random_estimator(10, 4).coefficients != 0).all()
    assert (random_estimator(1, 2, zeros=1.0).coefficients != 0).sum() == 1


def test_the_account_hears_every_layer_once_and_restores_the_library():
    passes = Passes.of(LLAMA, LLAMA.build(), Size(24, 5))
    work = passes.ready("library")
    with accounting(passes.model) as account:
        work()
    assert account.calls == LLAMA.layers
    assert 0 < account.heard < account.passes < account.total
    calls = account.calls
    work()
    assert account.calls == calls


def test_scoring_alone_weighs_by_hand_computed_attention():
    heads = Heads(layers=2, heads=6, kv_heads=3, width=8)
    alone, estimator = ScoringAlone(heads, CPU), random_estimator(2, 6)
    query, key = alone.inputs(10, 3, 2)
    logits = query @ key.repeat_interleave(2, dim=1).transpose(2, 3) / 8**0.5
    later = torch.arange(12) > torch.arange(9, 12)[:, None]
    weights = logits.masked_fill(later, -torch.inf).softmax(-1)
    expected = torch.einsum("bhrk,lh->brk", weights, estimator.coefficients)
    check_close(alone.score(estimator, query, key)[0], expected)


def test_sources_are_equal_pieces_of_the_context():
    tables = torch.rand(1, 3, 12)
    scores = score_sources(random_estimator(2, 4), tables, context=10, sources=3)
    check_close(scores, sum_ranges(tables[0], [(0, 3), (3, 6), (6, 10)]))


def test_full_logit_ablations_agree_with_the_library():
    reader = random_reader(LLAMA.build())
    task = collection_task(reader, 2)
    masks = random_masks(3, len(task.sources), seed=0)
    expected = task.ablator().ablate(masks).token_log_probabilities.float()
    check_close(full_logit_ablations(task, masks), expected)


def test_exponents_are_those_of_known_powers():
    assert exponent((1, 2, 4, 8), [3.0, 6.0, 12.0, 24.0]) == pytest.approx(1)
    assert exponent((10, 30), [1.0, 9.0]) == pytest.approx(2)


def test_scoring_measures_every_method_at_every_size():
    found = values_of(command.measure_scoring(make_bench()))
    sizes = [(24, 5, 1), (12, 3, 2)]
    assert set(found) == {(LLAMA.label, *size, method) for size in sizes for method in METHODS}
    for key, values in found.items():
        assert values["pass s"] > 0
        assert values["rounds"] == 2
        if key[-1] != "plain":
            assert values["scoring s"] >= 0 or key[-1] == "eager"
            ratio = values["scoring s"] / found[*key[:-1], "library"]["scoring s"]
            assert values["scoring ÷ library's"] == pytest.approx(ratio)


def test_memory_of_scoring_alone_is_measured_in_a_fresh_process():
    torch.ones(2**27).sum()  # a peak of this process that is none of the other's
    [values] = values_of(command.measure_memory(make_bench(replace(TOY, memory=())))).values()
    assert 0 <= values["extra MB"] < 100
    assert values["all weights at 2 bytes, MB"] == pytest.approx(2 * 2 * 4 * 8 * 71 / 1e6)


def test_memory_of_every_method_is_that_above_a_plain_pass(monkeypatch):
    """In this process: starting five others is what takes the time."""
    monkeypatch.setattr(
        memory, "fresh_peak", lambda bench, spec: measured(spec | {"device": "cpu"})
    )
    found = values_of(command.measure_memory(make_bench(replace(TOY, heads_alone=()))))
    assert set(found) == {(LLAMA.label, 48, 8, 1, method) for method in METHODS}
    plain = found[LLAMA.label, 48, 8, 1, "plain"]["peak MB above the weights"]
    for values in found.values():
        assert values["extra MB"] == pytest.approx(values["peak MB above the weights"] - plain)


PEAK_AFTER_A_HIGHER_ONE = """
import torch
from benchmarks.memory_child import peak_above
torch.ones(4 * {numbers}).sum()
print(peak_above(lambda: torch.ones({numbers}).sum(), torch.device("cpu")))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's peak")
def test_the_peak_is_what_was_held_at_most_even_after_a_higher_one():
    """In a process of its own, as measurements are: in this one other tests' garbage is freed."""
    numbers = 16 * 2**20
    done = subprocess.run(
        [sys.executable, "-c", PEAK_AFTER_A_HIGHER_ONE.format(numbers=numbers)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        check=True,
    )
    assert 0.9 * 4 * numbers < int(done.stdout) < 1.5 * 4 * numbers


def test_recording_is_measured_in_generation():
    [values] = values_of(command.measure_recording(make_bench())).values()
    assert values["generating s"] > 0
    assert values["recording ms a token"] == pytest.approx(
        1000 * values["recording ÷ generating"] * values["generating s"] / 4
    )


def test_collection_counts_tokens_sources_and_rates():
    [values] = values_of(command.measure_collection(make_bench())).values()
    assert values["tokens"] > values["sources"] + values["answer"] > values["answer"] > 10
    fast, slow = values["ablations a second"], values["full-logit ablations a second"]
    assert values["times faster"] == pytest.approx(fast / slow)
    assert 0 < values["examples a second, 32 ablations each"] <= fast / 32


def test_growth_has_times_and_an_exponent_for_each_size():
    measurements = list(command.measure_growth(make_bench()))
    values_of(measurements)
    for axis, sizes in TOY.growth.items():
        rows = [m for m in measurements if m.point["axis"] == axis]
        assert [m.point["size"] for m in rows[:-1]] == list(sizes)
        assert all(m.values["scoring s"] > 0 for m in rows[:-1])
        assert set(rows[-1].values) == {"exponent"}


def test_pruning_is_compared_with_both_answers():
    found = values_of(command.measure_pruning(make_bench(replace(TOY, rounds=1))))
    assert {key[0] for key in found} == {"demo reader", LLAMA.label}
    for values in found.values():
        rest = values["pruned ÷ once"] - values["second ÷ once"] - 1
        assert values["overhead ÷ once"] == pytest.approx(rest)


def test_batches_are_measured():
    measurements = list(command.measure_batches(make_bench()))
    assert {m.model for m in measurements} == {"demo reader", LLAMA.label}
    for values in values_of(measurements).values():
        assert values["together, questions a second"] > 0


def test_questions_have_as_many_passages_as_asked_for():
    asked = questions(3, 20)
    assert [len(passages) for _, passages in asked] == [20, 20, 20]
    assert len({question for question, _ in asked}) == 3


def test_on_a_gpu_everything_is_in_bfloat16_and_a_larger_model_joins():
    quick = profiles.of("quick", None, "cuda").models
    assert [model.name for model in quick] == ["smollm2-135m", "llama-3.1-8b"]
    assert {model.dtype for model in quick} == {"bfloat16"}
    assert [m.dtype for m in profiles.of("full", (LLAMA,), "cuda").models] == ["bfloat16"]
    assert profiles.of("full", (LLAMA,), "cpu").models == (LLAMA,)


def test_what_does_not_fit_is_skipped_with_the_reason():
    plain = peak_bytes(LLAMA, Size(24, 5), "plain")
    bench = make_bench(memory_limit=plain + 1)
    found = {m.point["method"]: m for m in command.measure_scoring(bench)}
    assert "GB" in found["eager"].skipped
    assert "GB" in found["hidden states"].skipped
    assert found["library"].values
    tiny = make_bench(memory_limit=1)
    for measure in (command.measure_recording, command.measure_collection):
        assert all("GB" in m.skipped for m in measure(tiny))


@pytest.mark.parametrize("name", [name for name in command.SECTIONS if name != "growth"])
def test_what_takes_too_long_is_skipped_with_the_reason(name):
    for measurement in command.SECTIONS[name].measure(make_bench(seconds=1e-9)):
        assert measurement.skipped
        assert not measurement.values


def test_time_is_shared_among_sections():
    budget = Budget(total=1000, point=100)
    budget.open_section(0.05)
    assert "100 s" in budget.refusal(101)
    assert "left for this section" in budget.refusal(60)
    assert budget.refusal(20) == ""
    assert budget.rounds(20, most=5) == 2
    assert budget.rounds(60, most=5) == 1
    budget.open_section(1.0)
    assert budget.rounds(20, most=9) == 5  # never beyond what one measurement may take


def test_the_shapes_are_those_of_their_names():
    millions = {
        name: shape.weight_bytes / shape.bytes_per_number / 1e6 for name, shape in SHAPES.items()
    }
    expected = {"smollm2-135m": 135, "qwen2.5-0.5b": 494, "qwen2.5-1.5b": 1543}
    for name, count in (expected | {"llama-3.1-8b": 8030}).items():
        assert millions[name] == pytest.approx(count, rel=0.01)


def test_a_model_has_the_weights_that_its_shape_says():
    untied = replace(LLAMA, tied=False)
    for shape in (LLAMA, untied):
        held = sum(p.numel() for p in shape.build().parameters() if p.dim() > 1)
        assert held == shape.weight_bytes / shape.bytes_per_number
    assert random_ids(LLAMA, 50).max() < LLAMA.vocabulary


def test_the_reference_sees_what_went_into_each_layer():
    model = LLAMA.build()
    inputs = []
    for layer in model.model.layers:
        layer.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    states = saved_hidden_states(model, random_ids(LLAMA, 9))
    assert len(states) == LLAMA.layers
    assert all(torch.equal(state, seen) for state, seen in zip(states, inputs, strict=True))


def scored(method, **values):
    point = {"context": 4096, "answer": 64, "batch": 1, "method": method}
    return Measurement("scoring", "a model", point, values)


def test_aims_stand_beside_what_was_measured():
    rows = aims_rows(
        [
            scored("library", **{"scoring ÷ forward": 0.004, "paired ÷ forward": 0.02}),
            scored("library, few heads", **{"scoring ÷ forward": 0.02, "paired ÷ forward": 0.0}),
            scored("hidden states", **{"scoring ÷ few heads'": 10.0}),
        ],
        "scoring",
    )
    judged = {row["aim"]: (row["measured"], row["reached"]) for row in rows}
    assert judged["scoring ÷ forward, 4k/64"] == ("0.004", "yes")
    assert judged["scoring ÷ forward, few heads, 4k/64"] == ("0.02", "no")
    assert judged["few heads against hidden states, 4k/64, times faster"] == ("10", "no")
    assert judged["scoring ÷ forward, 4k/256"] == ("not in this run", "")
    assert len(rows) == 13


def test_tables_have_a_column_for_every_name_and_say_what_was_skipped():
    rows = [scored("library", a=1.0), scored("eager"), scored("plain", b=12345.6)]
    rows[1] = replace(rows[1], skipped="too large")
    text = section_table(rows)
    assert "| model | context | answer | batch | method | a | b |" in text
    assert "| a model | 4096 | 64 | 1 | plain |  | 12346 |" in text
    assert "too large" in text


def test_the_command_prints_and_keeps_what_it_measured(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(PROFILES, "quick", replace(TOY, name="quick", growth={"answer": (4, 8)}))
    monkeypatch.setitem(SHAPES, "toy-llama", LLAMA)
    threads = str(torch.get_num_threads())
    command.main(
        f"--quick --only=growth,recording --models=toy-llama --device=cpu --threads={threads} "
        f"--out={tmp_path}".split()
    )
    [kept] = tmp_path.glob("*.json")
    assert kept.stem.startswith(kind(CPU))
    assert kept.stem.endswith("-quick-growth-recording")
    content = json.loads(kept.read_text(encoding="utf-8"))
    assert content["threads"] == threads
    assert {m["section"] for m in content["measurements"]} == {"growth", "recording"}
    printed, markdown = capsys.readouterr().out, kept.with_suffix(".md").read_text("utf-8")
    for text in (printed, markdown):
        assert "recording ÷ generating" in text
        assert "not in this run" in text
    assert str(tmp_path) not in kept.read_text("utf-8") + markdown


@pytest.mark.parametrize("options", [["--only", "nothing"], ["--models", "gpt"]])
def test_unknown_names_are_refused_with_the_known_ones(options, capsys):
    with pytest.raises(SystemExit):
        command.main(options)
    assert "expected any of" in capsys.readouterr().err


def test_conditions_name_no_host_and_no_folder():
    conditions = describe(CPU)
    assert {"processor", "cores", "threads", "memory", "torch", "commit"} <= set(conditions)
    import platform

    for value in conditions.values():
        assert "/" not in value
        assert platform.node() not in value
    assert as_markdown(conditions, [], "scoring").startswith("# Benchmarks")


def test_tables_say_the_type_and_whose_weights_they_are(tmp_path):
    """And what lies in a folder of a shape's name is what is measured."""
    assert LLAMA.label == "toy-llama, float32, random weights"
    assert with_real_weights(LLAMA, tmp_path) == LLAMA
    LLAMA.build(seed=3).save_pretrained(tmp_path / LLAMA.name)
    real = replace(with_real_weights(LLAMA, tmp_path), dtype="bfloat16")
    assert real.label == "toy-llama, bfloat16, real weights"
    found, expected = real.build(), LLAMA.build(seed=3).to(torch.bfloat16)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found.lm_head.weight, expected.lm_head.weight)
    assert describe(CPU)["multiplies bfloat16 in tiles (AMX)"] in ("yes", "no")
