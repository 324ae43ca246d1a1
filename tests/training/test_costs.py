"""The formulas against what really runs and is really written."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from at2_rag import InputError
from at2_rag.training import collect, load_collected, world_examples
from at2_rag.training.costs import SIZES, ModelSize, Rates, Workload, device_hours
from at2_rag.training.records import read_header


def size_of(model):
    config = model.config
    return ModelSize(
        "demo", config.num_hidden_layers, config.num_attention_heads, config.num_key_value_heads,
        config.head_dim, config.hidden_size, config.intermediate_size, config.vocab_size,
        config.tie_word_embeddings,
    )  # fmt: skip


@pytest.mark.parametrize(("tokens", "rows"), [(64, 1), (200, 30)])
def test_operations_are_those_that_torch_counts(demo_reader, tokens, rows):
    model = demo_reader.model
    size = size_of(model)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(input_ids=torch.zeros(1, tokens, dtype=torch.long), logits_to_keep=rows)
    counts = {str(op): count for op, count in counter.get_flop_counts()["Global"].items()}
    products = sum(count for op, count in counts.items() if "attention" not in op)
    attention = 4 * size.layers * size.heads * size.head_width * tokens**2 / 2
    # Some releases of transformers multiply places by frequencies as matrices.
    rotary = size.head_width * tokens
    assert products - (size.pass_flops(tokens, rows) - attention) in (0, rotary)
    # torch counts the half of the square that is masked as well.
    assert sum(counts.values()) - products in (0, 2 * attention)


def test_parameters_are_those_of_the_model(demo_reader):
    matrices = {id(p): p.numel() for p in demo_reader.model.parameters() if p.dim() == 2}
    assert size_of(demo_reader.model).parameters == sum(matrices.values())
    named = {"Qwen2.5-1.5B": 1.54e9, "Llama-3.2-3B": 3.21e9, "Llama-3.1-8B": 8.03e9}
    for size in SIZES[:3]:
        assert size.parameters == pytest.approx(named[size.name], rel=0.005)
    assert SIZES[3].parameters == pytest.approx(70.6e9, rel=0.005)


@pytest.mark.parametrize("copying", [False, True])
def test_records_have_as_many_bytes_as_they_are_said_to(demo_reader, tmp_path, copying):
    collect(demo_reader, world_examples(0, 2), tmp_path, num_ablations=5, copying=copying)
    collected = load_collected(tmp_path)
    for index, record in enumerate(collected.records):
        data = (tmp_path / f"example-{index:06d}.safetensors").read_bytes()
        statements, ablations, _ = record.features.shape
        workload = Workload(
            ablations=ablations, statements=statements, sources=record.masks.shape[1],
            copying=copying,
        )  # fmt: skip
        header = 8 + int.from_bytes(data[:8], "little")
        assert workload.record_bytes(size_of(demo_reader.model)) == len(data) - header
        assert header < 1500
        assert read_header(data)["id"] == record.id


def test_the_papers_training_is_64_000_passes():
    workload = Workload()
    assert workload.passes == 64_000
    masked = replace(workload, leaves_out=False)
    assert masked.ablated_tokens == masked.tokens == 1700
    assert workload.ablated_tokens == 950
    eight = SIZES[2]
    passes = 64_000 * eight.pass_flops(1700, 100)
    assert passes < masked.flops(eight) < 1.07 * passes
    assert 0.5 < workload.flops(eight) / masked.flops(eight) < 0.6


def test_hours_follow_the_rates():
    size, workload = SIZES[0], Workload(examples=10)
    rates = Rates(flops=1e14, decoded=50.0)
    hours = device_hours(size, workload, rates)
    seconds = workload.flops(size) / 1e14 + 10 * workload.answer / 50
    assert hours == pytest.approx(seconds / 3600)
    assert device_hours(size, workload, replace(rates, devices=4)) == pytest.approx(4 * hours)
    measured = Rates.measured(size, 1000, seconds=size.pass_flops(1000, 1) / 1e14, decoded=50.0)
    assert measured.flops == pytest.approx(1e14)
    with pytest.raises(InputError, match="decoded is 0; expected more than 0"):
        Rates(1e14, 0)
