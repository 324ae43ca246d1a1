"""Teaching a reader: batches of many questions at once, and a training that can be stopped."""

import hashlib
import math
from itertools import pairwise
from random import Random

import pytest
import torch
from at2_rag.attention.probe import AttentionShape
from at2_rag.attention.recording import inspect_attention
from at2_rag.errors import FileFormatError, InputError
from at2_rag.model.loading import load_demo_model, load_model
from hypothesis import given
from hypothesis import strategies as st
from support.runs import Stopped
from transformers import AutoModelForCausalLM, GPTNeoXConfig, LlamaConfig

from at2_rag_experiments.teaching import (
    SHAPE_NAMES,
    BatchMaker,
    TeachingPlan,
    short_curriculum,
    small_shape,
    teach,
)

PLAN = TeachingPlan(6, tokens=256, curriculum=((0.5, 1), (1.0, 2)), warm_up=2)


@pytest.fixture(scope="module")
def tokenizer():
    return load_demo_model()[1]


def tiny(kind, tokenizer, **other):
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    special = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    return kind(
        vocab_size=len(tokenizer), num_attention_heads=2, bos_token_id=None, **sizes, **special,
        **other,
    )  # fmt: skip


def content(folder):
    digests = {}
    for path in sorted(folder.iterdir()):
        digests[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return digests


def batch_of(tokenizer, seed=0, tokens=1024, most=4, questions=4):
    return BatchMaker(tokenizer, questions, tokens, 0.2).batch(Random(seed), most)


@pytest.mark.parametrize("kind", [LlamaConfig, GPTNeoXConfig])
def test_each_question_of_a_batch_sees_only_its_world(tokenizer, kind):
    """Packed, a question's logits are those of a prompt of its own."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(tiny(kind, tokenizer)).eval()
    batch = batch_of(tokenizer)
    with torch.inference_mode():
        packed = model(
            batch.input_ids,
            attention_mask=batch.mask,
            position_ids=batch.positions,
            use_cache=False,
        ).logits
    found = 0
    for row in range(len(batch.input_ids)):
        text = int((batch.weights[row] > 0).sum())
        ids, positions = batch.input_ids[row, :text], batch.positions[row, :text]
        starts = [i for i in range(1, text) if positions[i] != positions[i - 1] + 1]
        world = starts[0] if starts else int(positions.max()) + 1
        # The first question goes on where the world ends, so it begins at the same position.
        first = int(positions[starts[0]]) if starts else world
        edges = [first, *starts, text]
        for begin, end in pairwise(edges):
            alone = torch.cat([ids[:first], ids[begin:end]])[None]
            assert tokenizer.decode(alone[0]).count("<|assistant|>") == 1
            with torch.inference_mode():
                wanted = model(alone, use_cache=False).logits[0, first:]
            assert torch.allclose(packed[row, begin:end], wanted, atol=1e-4)
            found += 1
    assert found > len(batch.input_ids)


@given(seed=st.integers(0, 1000), tokens=st.integers(100, 3000), most=st.integers(1, 5))
def test_a_batch_holds_no_more_tokens_than_wanted_and_weighs_answers(tokenizer, seed, tokens, most):
    batch = batch_of(tokenizer, seed, tokens, most)
    rows, length = batch.input_ids.shape
    assert rows * length <= tokens or rows == 1
    assert {round(weight, 6) for weight in batch.weights.unique().tolist()} <= {0.0, 0.2, 1.0}
    for row in range(rows):
        said = tokenizer.decode(batch.input_ids[row][batch.weights[row] == 1.0])
        assert said.count("<|end|>") == said.count("Final answer: ") >= 1
        assert "Query:" not in said
    assert batch.mask.shape == (rows, 1, length, length)
    assert not batch.mask.triu(1).any()


def test_the_next_batch_depends_on_the_randomness_alone(tokenizer):
    rng = Random(3)
    maker = BatchMaker(tokenizer, 4, 512, 0.2)
    maker.batch(rng, 3)
    state = rng.getstate()
    wanted = maker.batch(rng, 3)
    rng.setstate(state)
    found = BatchMaker(tokenizer, 4, 512, 0.2).batch(rng, 3)
    assert torch.equal(found.input_ids, wanted.input_ids)
    assert torch.equal(found.mask, wanted.mask)


@given(steps=st.integers(1, 400), most=st.integers(1, 10))
def test_passages_only_grow_and_the_rate_rises_and_falls(steps, most):
    plan = TeachingPlan(steps, curriculum=short_curriculum(most), warm_up=10)
    passages = [plan.most_passages(step) for step in range(steps)]
    assert passages == sorted(passages)
    assert passages[-1] == (most if steps > 1 else min(2, most))
    rates = [plan.learning_rate(step) for step in range(steps)]
    assert all(0 < rate <= plan.peak for rate in rates)
    top = rates.index(max(rates))
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert plan.learning_rate(steps) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"steps": 0}, "steps is 0; expected at least 1"),
        ({"steps": 1, "tokens": 0}, "tokens is 0"),
        ({"steps": 1, "peak": 0.0}, "peak is 0.0; expected above 0"),
        ({"steps": 1, "anneal": 1.5}, "anneal is 1.5"),
        ({"steps": 1, "curriculum": ()}, "curriculum is"),
        ({"steps": 1, "curriculum": ((0.5, 2),)}, "shares in ascending order up to 1.0"),
        ({"steps": 1, "curriculum": ((1.0, 0),)}, "at least 1 passage"),
    ],
)
def test_plans_that_cannot_be_followed_are_refused(told, message):
    with pytest.raises(InputError, match=message):
        TeachingPlan(**told)


@pytest.mark.parametrize("name", SHAPE_NAMES)
def test_shapes_are_of_one_size(name, tokenizer):
    model = AutoModelForCausalLM.from_config(small_shape(name, tokenizer))
    assert inspect_attention(model) == AttentionShape(4, 8)
    assert 3_300_000 < model.num_parameters() < 3_700_000
    assert model.config.eos_token_id == tokenizer.eos_token_id


def test_the_llama_is_the_demo_readers(tokenizer, demo_reader):
    found = small_shape("llama", tokenizer).to_dict()
    own = demo_reader.model.config.to_dict()
    for name in ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "head_dim"):
        assert found[name] == own[name]
    with pytest.raises(InputError, match="no shape 'bert'; expected one of llama, gpt_neox"):
        small_shape("bert", tokenizer)


@pytest.mark.parametrize("stop_at", [3, 5])
def test_interrupted_it_goes_on_to_the_very_same(tokenizer, tmp_path, stop_at):
    """With dropout, which draws from torch's randomness at every step."""
    config = tiny(GPTNeoXConfig, tokenizer, hidden_dropout=0.1, attention_dropout=0.1)
    whole, lessons = tmp_path / "whole", []
    teach(config, tokenizer, PLAN, whole, checkpoint_every=2, on_step=lessons.append)

    def stop(lesson):
        if lesson.step == stop_at:
            raise Stopped

    parts, rest = tmp_path / "parts", []
    with pytest.raises(Stopped):
        teach(config, tokenizer, PLAN, parts, checkpoint_every=2, on_step=stop)
    torch.rand(7)  # whatever else happens in between
    found = teach(config, tokenizer, PLAN, parts, checkpoint_every=2, on_step=rest.append)
    assert content(found) == content(whole / "model")

    kept = 2 * (stop_at // 2)
    assert (rest[0].step, rest[0].resumed, math.isnan(rest[0].loss)) == (kept, True, True)
    assert rest[1:] == lessons[kept:]
    assert [lesson.most_passages for lesson in lessons] == [1, 1, 1, 2, 2, 2]


def test_the_callers_randomness_is_left_alone(tokenizer, tmp_path):
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    short = TeachingPlan(1, tokens=64, curriculum=((1.0, 1),))
    teach(tiny(LlamaConfig, tokenizer), tokenizer, short, tmp_path)
    assert torch.equal(torch.rand(3), wanted)


def test_it_learns_and_what_is_written_is_the_model(tokenizer, tmp_path):
    plan = TeachingPlan(40, tokens=512, curriculum=((1.0, 1),), peak=1e-2, warm_up=5)
    lessons = []
    folder = teach(tiny(LlamaConfig, tokenizer), tokenizer, plan, tmp_path, on_step=lessons.append)
    first, last = lessons[0], lessons[-1]
    assert first.loss == pytest.approx(math.log(len(tokenizer)), rel=0.1)
    assert last.loss < first.loss - 2
    assert last.right > 0.3 > first.right
    model, loaded = load_model(folder, {"dtype": torch.float32})
    assert loaded.encode("Pulpe has a mayor.") == tokenizer.encode("Pulpe has a mayor.")
    batch = batch_of(tokenizer, 1, 512, 1)
    with torch.inference_mode():
        logits = model(batch.input_ids, attention_mask=batch.mask, position_ids=batch.positions)
    answers = batch.weights[:, 1:] == 1.0
    right = logits.logits[:, :-1].argmax(-1) == batch.input_ids[:, 1:]
    assert right[answers].float().mean() > 0.3


def test_what_is_trained_is_not_trained_again_and_no_other_training_goes_on(tokenizer, tmp_path):
    config = tiny(LlamaConfig, tokenizer)
    plan = TeachingPlan(2, tokens=64, curriculum=((1.0, 1),))
    folder = teach(config, tokenizer, plan, tmp_path)
    before, seen = content(folder), []
    teach(config, tokenizer, plan, tmp_path, on_step=seen.append)
    assert [(lesson.step, lesson.resumed) for lesson in seen] == [(2, True)]
    assert content(folder) == before
    longer = TeachingPlan(3, tokens=64, curriculum=((1.0, 1),))
    with pytest.raises(InputError, match=r"holds another training: plan.steps is 3, there 2\."):
        teach(config, tokenizer, longer, tmp_path)
    with pytest.raises(
        InputError, match=r"model_type is 'gpt_neox', there 'llama'.*Choose another folder"
    ):
        teach(tiny(GPTNeoXConfig, tokenizer), tokenizer, plan, tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"PK nothing")
    with pytest.raises(FileFormatError, match="cannot be read as a checkpoint"):
        teach(config, tokenizer, plan, tmp_path)


def test_a_folder_that_cannot_be_written_is_told(tokenizer, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    plan = TeachingPlan(1, tokens=64, curriculum=((1.0, 1),))
    with pytest.raises(FileFormatError, match="no checkpoint can be written"):
        teach(tiny(LlamaConfig, tokenizer), tokenizer, plan, tmp_path / "file" / "below")
