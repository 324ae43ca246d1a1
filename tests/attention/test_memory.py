"""Long contexts: what recording takes beyond the pass itself, measured in a process of its own.

Run as a script, this file is that process, and prints what it measured as JSON.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoConfig,
    AutoModelForCausalLM,
)
from transformers.masking_utils import sdpa_mask

from at2_rag import ScoreEstimator
from at2_rag.attention.weights import DEFAULT_BYTE_LIMIT
from at2_rag.model.recorded_model import RecordedModel

CONTEXT, ANSWER, STEPS = 32_768, 64, 8
#: (layers, heads) of the models.
SHAPES = [(1, 2), (4, 2), (1, 8), (4, 8)]
VOCABULARY = 64

#: One number per token of the answer and key, and as many again for a copy of it.
TABLES = 2 * 4 * ANSWER * (CONTEXT + ANSWER)
#: What the design allows: the tables, and one chunk at a time with what it is computed from.
ALLOWED = TABLES + DEFAULT_BYTE_LIMIT
#: What a weight for every layer and head would take.
EVERYTHING = 4 * 8 * 4 * ANSWER * (CONTEXT + ANSWER)
#: What two measurements of the same may differ by.
NOISE = 8 * 2**20

#: Has freed memory go back to the system at once, where it would hide what is taken next.
HONEST_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "262144"}


def name_of(shape):
    return f"{shape[0]} x {shape[1]}"


# The process that measures


def itself(module, query, key, value, attention_mask, **kwargs):
    """Let each token see itself only: attention that costs nothing, so that 32k tokens are quick.

    The weights that are recorded are still those of all keys.
    """
    output = value.repeat_interleave(query.shape[1] // value.shape[1], dim=1)
    return output[:, :, -query.shape[2] :].transpose(1, 2), None


def build(layers, heads, attention):
    AttentionInterface.register("itself", itself)
    AttentionMaskInterface.register("itself", sdpa_mask)
    config = AutoConfig.for_model(
        "llama", vocab_size=VOCABULARY, hidden_size=32, intermediate_size=32, head_dim=8,
        num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=(heads + 1) // 2,
        max_position_embeddings=2 * CONTEXT, eos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()


def peak_of(work):
    """Return the most memory held during the work above what was held before, in bytes."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = status("VmRSS")
    work()
    return status("VmHWM") - before


def status(name):
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def measure(layers, heads, attention="itself"):
    """Return the peaks of reading and of generating, plainly and recorded."""
    model = build(layers, heads, attention)
    recorded = RecordedModel(model)
    weightings = ScoreEstimator.uniform(model).weightings
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, VOCABULARY, (CONTEXT + ANSWER,), generator=generator).tolist()
    options = {"max_new_tokens": STEPS, "pad_token_id": 0, "do_sample": False}

    @torch.inference_mode()
    def read(tokens):
        model(torch.tensor([tokens]), use_cache=False, logits_to_keep=1)

    work = {
        "read": lambda: read(ids[:-1]),
        "read recorded": lambda: recorded.read(ids[:CONTEXT], ids[CONTEXT:], weightings),
    }
    if attention == "itself":
        prompt = torch.tensor([ids[:CONTEXT]])
        work["generated"] = lambda: model.generate(prompt, **options)
        work["generated recorded"] = lambda: recorded.generate([ids[:CONTEXT]], weightings, options)
    # Once on little text, so that what is loaded and set up but once does not count.
    read(ids[:32])
    recorded.read(ids[:32], ids[32:64], weightings)
    recorded.generate([ids[:32]], weightings, options)
    return {name: peak_of(call) for name, call in work.items()}


def main():
    torch.set_num_threads(1)
    found = {name_of(shape): measure(*shape) for shape in SHAPES}
    found["sdpa"] = measure(1, 1, "sdpa")
    # A tensor of everything, to see that the measurement would see it.
    found["everything"] = peak_of(lambda: torch.ones(EVERYTHING // 4))
    sys.stdout.write(json.dumps(found))


# What it says


@pytest.fixture(scope="module")
def peaks():
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("this system does not tell a process's peak of memory from a point on")
    done = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, **HONEST_MALLOC, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def extra(peaks, name, work):
    """Return what recording takes beyond the same work without it, in bytes."""
    return peaks[name][f"{work} recorded"] - peaks[name][work]


def test_the_measurement_sees_what_it_is_to_rule_out(peaks):
    assert peaks["everything"] == pytest.approx(EVERYTHING, rel=0.02)
    assert EVERYTHING > 4 * ALLOWED


@pytest.mark.parametrize("name", ["sdpa", *map(name_of, SHAPES)])
def test_reading_a_long_context_takes_tables_and_a_chunk(peaks, name):
    assert extra(peaks, name, "read") < ALLOWED


@pytest.mark.parametrize("work", ["read", "generated"])
def test_memory_grows_with_neither_layers_nor_heads(peaks, work):
    """Beyond the first shape, which has a sixteenth of the last one's weights."""
    first, *more = (extra(peaks, name_of(shape), work) for shape in SHAPES)
    assert max(more) < first + NOISE
    assert EVERYTHING * 15 / 16 > 10 * NOISE


def test_recording_the_steps_of_a_long_context_takes_less(peaks):
    """A table with a first few rows, and queries that wait for one another."""
    for shape in SHAPES:
        assert extra(peaks, name_of(shape), "generated") < TABLES


if __name__ == "__main__":
    main()
