"""Models whose weights are elsewhere, narrower or packed, and caches and attention of other kinds.

What can be had without a GPU: layers spread by accelerate's hooks, weights on disk, linear layers
without a ``weight``, and every cache that transformers makes on a processor.
"""

import json
import shutil
from dataclasses import asdict

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from support.architectures import build
from support.comparing import check_close, check_same, what_was_said
from support.places import DEMO_MODEL, LLAMA
from torch import nn
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoModelForCausalLM,
    DynamicCache,
)
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.utils import is_flash_attn_2_available

from at2_rag import InputError, Reader, ScoreEstimator, Settings
from at2_rag.ablation.masking import random_masks
from at2_rag.attention.recording import capture_of
from at2_rag.methods import GradientMethod
from at2_rag.model.loading import load_demo_estimator, load_demo_model
from at2_rag.model.recorded_model import RecordedModel
from at2_rag.training.features import ablation_data
from at2_rag.worlds import generate_examples

EXAMPLE = next(generate_examples(5, 4, 1))
ASKED = EXAMPLE.question, EXAMPLE.passages
BASE = {"model.embed_tokens": "cpu", "model.rotary_emb": "cpu", "model.norm": "cpu",
        "lm_head": "cpu", **{f"model.layers.{index}": "cpu" for index in range(4)}}  # fmt: skip
MAPS = {
    "wherever there is room": "auto",
    "one layer on disk": {**BASE, "model.layers.2": "disk"},
    "embeddings on disk": {**BASE, "model.embed_tokens": "disk", "lm_head": "disk"},
    "everything on disk": {"": "disk"},
}


@pytest.fixture(scope="module")
def plain(demo_reader):
    """What the model says as it is, by every way of asking."""
    return everything(demo_reader)


def everything(reader):
    answer = reader.answer(*ASKED)
    task = reader.task(*ASKED, answer.text)
    masks = random_masks(4, len(task.sources), seed=0)
    return {
        "answered": what_was_said(answer),
        "scores": answer.attribution.scores.tolist(),
        "streamed": what_was_said(list(reader.stream(*ASKED))[-1]),
        "batched": [
            what_was_said(each) for each in reader.answer_batch([ASKED, ASKED], prune_to=2)
        ],
        "read": what_was_said(reader.attribute(*ASKED, answer.text)),
        "verified": asdict(reader.verify(answer)),
        "gradients": GradientMethod().scores(task).tolist(),
        "features": ablation_data(task, masks, capture_of(reader.model)).features.tolist(),
    }


def check_everything(reader, expected):
    """Each way has a scale of its own."""
    for way, found in everything(reader).items():
        check_same(found, expected[way])


# Devices


@pytest.mark.parametrize("device_map", MAPS.values(), ids=MAPS.keys())
def test_weights_may_lie_anywhere(plain, tmp_path, device_map):
    pytest.importorskip("accelerate")
    old = transformers.__version__.startswith("4.")
    if old and device_map in (MAPS["embeddings on disk"], MAPS["everything on disk"]):
        pytest.skip(
            "transformers 4 finds no tied weights on disk, and loads no model from it alone"
        )
    reader = Reader.from_pretrained(
        DEMO_MODEL,
        load_demo_estimator(),
        dtype="float32",
        device_map=device_map,
        offload_folder=tmp_path,
    )
    reader.model.config.name_or_path = "at2-rag demo reader"
    on_disk = device_map != "auto"
    assert on_disk == any(p.device.type == "meta" for p in reader.model.parameters())
    check_everything(reader, plain)


def second_devices():
    return ["cpu", *(["cuda:0"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("second", second_devices())
def test_layers_are_scored_where_they_are(plain, second):
    """On two devices; without a GPU, two that hooks take for different ones."""
    accelerate = pytest.importorskip("accelerate")
    model, tokenizer = load_demo_model()
    accelerate.dispatch_model(
        model,
        {**BASE, "model.layers.1": second, "model.layers.3": second},
        main_device="cpu",
        skip_keys=model._skip_keys_device_placement,
        force_hooks=True,
    )
    assert all(hasattr(layer, "_hf_hook") for layer in model.model.layers)
    assert {p.device.type for p in model.model.layers[1].parameters()} == {second[:4].strip(":")}
    check_everything(Reader(model, tokenizer, load_demo_estimator()), plain)


# Transformers 4 does not know where weights are that were offloaded behind its back.
@pytest.mark.filterwarnings("ignore:You are calling .generate:UserWarning")
@pytest.mark.parametrize("way", ["cpu_offload", "disk_offload"])
def test_models_that_were_offloaded_before(plain, tmp_path, way):
    accelerate = pytest.importorskip("accelerate")
    model, tokenizer = load_demo_model()
    options = {"offload_dir": tmp_path} if way == "disk_offload" else {}
    getattr(accelerate, way)(model, execution_device=torch.device("cpu"), **options)
    assert {p.device.type for p in model.parameters()} == {"meta"}
    check_everything(Reader(model, tokenizer, load_demo_estimator()), plain)


# Narrow and packed weights


@pytest.mark.parametrize(
    ("dtype", "tolerance", "nats"), [("bfloat16", 0.03, 0.6), ("float16", 0.006, 0.15)]
)
def test_narrow_types_come_close(demo_reader, dtype, tolerance, nats):
    """Scores and effects of sources, against the same weights in float32."""
    reader = Reader.from_pretrained(DEMO_MODEL, load_demo_estimator(), dtype=dtype)
    assert reader.model.dtype == getattr(torch, dtype)
    wide, narrow = demo_reader.answer(*ASKED), reader.answer(*ASKED)
    assert narrow.text == wide.text
    check_scores(narrow, wide, tolerance)
    check_scores(reader.attribute(*ASKED, narrow.text), narrow, tolerance / 3)
    expected, got = (ablated(each, wide.text) for each in (demo_reader, reader))
    assert (got - expected).abs().max() < nats
    assert (got - expected).abs().median() < 1e-3


def check_scores(one, other, tolerance):
    """Assert that scores differ by no more than so much of the largest."""
    scores, expected = one.attribution.scores, other.attribution.scores
    assert scores.isfinite().all()
    torch.testing.assert_close(
        scores, expected, rtol=0, atol=tolerance * float(expected.abs().max())
    )


def ablated(reader, text):
    """Return log-probabilities under a few ablations, (ablations, answer tokens)."""
    task = reader.task(*ASKED, text)
    masks = random_masks(8, len(task.sources), seed=0)
    return task.ablator().ablate(masks).token_log_probabilities


class PackedLinear(nn.Module):
    """Holds 8-bit rows and a scale for each, and no ``weight``, as quantised layers do."""

    def __init__(self, linear):
        super().__init__()
        scales = linear.weight.detach().abs().amax(dim=1, keepdim=True) / 127
        self.register_buffer("scales", scales)
        self.register_buffer("packed", (linear.weight.detach() / scales).round().to(torch.int8))

    def forward(self, hidden):
        return nn.functional.linear(hidden, self.packed.to(hidden.dtype) * self.scales)


def test_packed_weights(demo_reader):
    model, tokenizer = load_demo_model()
    for place, module in list(model.named_modules()):
        if isinstance(module, nn.Linear):
            model.set_submodule(place, PackedLinear(module))
    assert not hasattr(model.get_output_embeddings(), "weight")
    reader = Reader(model, tokenizer, load_demo_estimator())
    answer = reader.answer(*ASKED)
    assert answer.text == demo_reader.answer(*ASKED).text
    read = reader.attribute(*ASKED, answer.text)
    check_close(read.attribution.scores, answer.attribution.scores)
    check_scores(read, demo_reader.attribute(*ASKED, answer.text), 0.05)
    assert (ablated(reader, answer.text) - ablated(demo_reader, answer.text)).abs().max() < 0.5
    assert len(reader.verify(answer).statements) == len(answer.statements)


def in_two_bits(weight):
    """Return ternary weights as BitNet packs them, four of a column in a byte, and the scale."""
    scale = weight.abs().mean()
    digits = ((weight / scale).round().clamp(-1, 1) + 1).to(torch.uint8)
    packed = sum(part << (2 * place) for place, part in enumerate(digits.chunk(4)))
    return packed, (1 / scale).reshape(1)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")
def test_weights_that_transformers_keeps_packed(tmp_path):
    """BitNet's, which is the one of its kinds that needs neither a GPU nor another package."""
    pytest.importorskip("accelerate")
    shutil.copytree(LLAMA, tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model" / "model.safetensors")
    for place in [place for place in weights if "_proj." in place]:
        weights[place], weights[f"{place}_scale"] = in_two_bits(weights[place])
    save_file(weights, tmp_path / "model" / "model.safetensors", {"format": "pt"})
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["quantization_config"] = {
        "quant_method": "bitnet",
        "modules_to_not_convert": ["lm_head"],
    }
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    with torch.compiler.set_stance("force_eager"):  # or unpacking them is compiled
        estimator = ScoreEstimator.load(tmp_path)
        reader = Reader.from_pretrained(
            tmp_path, estimator, Settings(max_new_tokens=12), dtype="float32", subfolder="model"
        )
        assert reader.model.model.layers[0].mlp.up_proj.weight.dtype == torch.uint8
        recorded, prompt = RecordedModel(reader.model), list(range(5, 70))
        weightings = reader.estimator.weightings
        [generated] = recorded.generate([prompt], weightings, {"max_new_tokens": 12})
        read = recorded.read(prompt, generated.ids, weightings)
        check_close(generated.attention.tables, read.tables)
        answer = reader.attribute(*ASKED, "Nobody knows.")
        assert answer.attribution.scores.isfinite().all()
        assert answer.attribution.scores.any()
        assert ablated(reader, answer.text).isfinite().all()


# Caches

#: Kinds that need nothing else on a processor.
CACHES = [
    {"cache_implementation": "dynamic"},
    {"cache_implementation": "static"},
    {"cache_implementation": "quantized", "cache_config": {"backend": "fp8"}},
]
if torch.cuda.is_available():
    CACHES += [{"cache_implementation": "offloaded"}, {"cache_implementation": "offloaded_static"}]


@pytest.mark.parametrize("options", CACHES, ids=lambda options: options["cache_implementation"])
def test_answers_on_other_caches_are_read(demo_reader, options):
    """In one pass over what was said, whatever the cache made of the keys."""
    question, passages = ASKED
    if "cache_config" in options and transformers.__version__.startswith("4."):
        pytest.skip("transformers 4 quantizes no cache by itself")
    answer = demo_reader.answer(question, passages, prune_to=3, **options)
    assert answer.text
    assert answer.draft.text
    again = [passages[index] for index in answer.kept]
    for asked, given in ((passages, answer.draft), (again, answer)):
        read = demo_reader.attribute(question, asked, given.text)
        tokens = read.attribution.scores.shape[1]  # but for tokens behind the text
        check_close(given.attribution.scores[:, :tokens], read.attribution.scores)
    if options["cache_implementation"] != "quantized":
        recorded = demo_reader.answer(question, passages, prune_to=3)
        check_same(answer.to_dict(), recorded.to_dict())


@pytest.mark.parametrize("name", ["llama", "mistral", "gemma3_text"])
def test_static_caches_of_windows_are_read(name):
    model = build(name)
    recorded = RecordedModel(model)
    weightings = ScoreEstimator.uniform(model).weightings
    prompt = torch.arange(3, 23).tolist()
    options = {"max_new_tokens": 12, "pad_token_id": 0}
    [expected] = recorded.generate([prompt], weightings, options)
    [got] = recorded.generate([prompt], weightings, {**options, "cache_implementation": "static"})
    assert got.ids == expected.ids
    check_close(got.attention.tables, expected.attention.tables)


def test_a_models_own_choice_of_cache_counts(demo_reader, plain, monkeypatch):
    config = demo_reader.model.generation_config
    monkeypatch.setattr(config, "cache_implementation", "static")
    check_same(what_was_said(demo_reader.answer(*ASKED)), plain["answered"])


def test_a_cache_that_holds_a_text_is_refused(demo_reader):
    """It would answer the next question, or after pruning, from the text that it holds."""
    cache = DynamicCache(config=demo_reader.model.config)
    with pytest.raises(InputError, match=r"past_key_values.*expected none.*cache_implementation"):
        demo_reader.answer(*ASKED, past_key_values=cache)


def test_an_unknown_kind_of_cache_is_named(demo_reader):
    with pytest.raises(ValueError, match="boundless"):
        demo_reader.answer(*ASKED, cache_implementation="boundless")


# Attention functions


@pytest.fixture
def counted():
    """Register an attention function that counts its calls, and return its name and the calls."""
    calls = []

    def attention(module, *args, **kwargs):
        calls.append(module.layer_idx)
        return sdpa_attention_forward(module, *args, **kwargs)

    AttentionInterface.register("counted_by_a_test", attention)
    AttentionMaskInterface.register("counted_by_a_test", sdpa_mask)
    return "counted_by_a_test", calls


def outputs(model):
    """Return what a pass and a generation compute, by whoever asks."""
    tokens = torch.arange(5, 45)[None]
    options = {"max_new_tokens": 12, "do_sample": False, "output_scores": True}
    with torch.no_grad():
        generated = model.generate(tokens, return_dict_in_generate=True, pad_token_id=0, **options)
        return [model(tokens).logits, generated.sequences, *generated.scores]


@pytest.mark.parametrize("chosen", ["eager", "sdpa", "counted"])
def test_the_function_that_a_model_was_loaded_with_is_what_runs(counted, chosen):
    name, calls = counted
    loaded = name if chosen == "counted" else chosen
    options = {"dtype": torch.float32, "attn_implementation": loaded}
    expected = outputs(AutoModelForCausalLM.from_pretrained(DEMO_MODEL, **options))
    calls.clear()
    reader = Reader.from_pretrained(DEMO_MODEL, load_demo_estimator(), **options)
    check_equal(outputs(reader.model), expected)
    calls.clear()
    reader.answer(*ASKED, max_new_tokens=5)
    assert calls == ([0, 1, 2, 3] * 5 if chosen == "counted" else [])


def test_another_choice_afterwards_is_what_runs(counted):
    name, calls = counted
    reader = Reader.demo()
    before = reader.answer(*ASKED)
    for chosen in (name, "eager"):
        reader.model.set_attn_implementation(chosen)
        answer = reader.answer(*ASKED)
        check_same(answer.to_dict(), before.to_dict())
        assert (len(calls) > 0) == (chosen == name)
        calls.clear()
    model, _ = load_demo_model()
    model.set_attn_implementation("eager")
    check_equal(outputs(reader.model), outputs(model))


def check_equal(got, expected):
    for one, other in zip(got, expected, strict=True):
        assert torch.equal(one, other)


@pytest.mark.skipif(is_flash_attn_2_available(), reason="flash attention is there")
def test_flash_attention_that_is_not_there_is_named():
    with pytest.raises(ImportError, match=r"FlashAttention2.* installed"):
        Reader.from_pretrained(DEMO_MODEL, None, attn_implementation="flash_attention_2")
