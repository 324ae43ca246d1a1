"""The number format that a model is loaded in, where nobody names one."""

import warnings

import pytest
import torch
from support.golden import LLAMA

from at2_rag import InputError, Reader
from at2_rag.model import number_format
from at2_rag.model.loading import load_model
from at2_rag.model.number_format import SLOW, TRIES, free_memory, in_fast_format, is_slow
from at2_rag.notices import NarrowTypeWarning, WideTypeWarning

SHORT = torch.bfloat16, torch.float16


@pytest.fixture
def large(monkeypatch):
    """Let small models count as large ones, which are not fast in any type."""
    monkeypatch.setattr(number_format, "LARGE", 1)


def slow(monkeypatch, *types):
    """Have a processor that is slow with these types and no other."""
    monkeypatch.setattr(number_format, "is_slow", lambda dtype: dtype in types)


def saved(folder, dtype):
    """Return a folder with the golden model in a type."""
    for part in load_model(LLAMA / "model", {"dtype": dtype}):
        part.save_pretrained(folder)
    return folder


def told(load):
    """Return what a call, done twice in one place, warns of."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        for _ in range(2):
            load()
    return [(each.category, str(each.message)) for each in found]


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("dtype", SHORT)
def test_a_processor_that_is_slow_with_a_checkpoints_type_gets_the_same_numbers_in_float32(
    monkeypatch, tmp_path, dtype
):
    slow(monkeypatch, dtype)
    model, _ = load_model(saved(tmp_path, dtype), {})
    short, _ = load_model(tmp_path, {"dtype": dtype})
    chosen, _ = load_model(tmp_path, {"dtype": "float32"})
    assert model.dtype == model.config.dtype == torch.float32
    assert short.dtype == dtype
    weights, others = model.state_dict(), chosen.state_dict()
    assert all(torch.equal(weights[name], found) for name, found in others.items())
    for name, found in short.state_dict().items():
        assert torch.equal(weights[name].to(dtype), found)
    ids = torch.arange(1, 9)[None]
    with torch.inference_mode():
        assert torch.equal(model(ids).logits, chosen(ids).logits)


@pytest.mark.usefixtures("large")
def test_a_type_stays_where_it_is_fast_or_named(monkeypatch, tmp_path):
    slow(monkeypatch, torch.float16)
    folder = saved(tmp_path, torch.bfloat16)
    assert load_model(folder, {})[0].dtype == torch.bfloat16
    assert load_model(folder, {"dtype": "auto"})[0].dtype == torch.bfloat16
    slow(monkeypatch, *SHORT)
    assert load_model(folder, {"dtype": "bfloat16"})[0].dtype == torch.bfloat16
    assert load_model(folder, {"dtype": torch.float16})[0].dtype == torch.float16
    for told in ("auto", None):
        assert load_model(folder, {"dtype": told})[0].dtype == torch.float32


@pytest.mark.usefixtures("large")
def test_the_older_name_of_the_option_names_a_type_too(monkeypatch, tmp_path):
    slow(monkeypatch, *SHORT)
    folder = saved(tmp_path, torch.bfloat16)
    for told in ("bfloat16", torch.bfloat16):
        assert load_model(folder, {"torch_dtype": told})[0].dtype == torch.bfloat16


@pytest.mark.parametrize("told", ["int8", "fp16", torch.int8])
def test_what_is_no_type_of_weights_is_refused(told):
    with pytest.raises(InputError, match='expected "auto", or a type of torch'):
        load_model(LLAMA / "model", {"dtype": told})


def test_a_model_that_is_fast_anyway_keeps_its_type(monkeypatch, tmp_path):
    slow(monkeypatch, *SHORT)
    assert load_model(saved(tmp_path, torch.bfloat16), {})[0].dtype == torch.bfloat16


@pytest.mark.usefixtures("large")
def test_weights_on_another_device_keep_their_type(monkeypatch, tmp_path):
    slow(monkeypatch, *SHORT)
    model, _ = load_model(saved(tmp_path, torch.bfloat16), {}, torch.device("meta"))
    assert model.dtype == torch.bfloat16


@pytest.mark.usefixtures("large")
def test_what_would_fill_the_memory_keeps_its_type_and_says_so_once(monkeypatch, tmp_path):
    slow(monkeypatch, *SHORT)
    folder = saved(tmp_path, torch.bfloat16)
    model, _ = load_model(folder, {"dtype": "bfloat16"})
    more = 2 * sum(weight.numel() for weight in model.parameters())
    monkeypatch.setattr(number_format, "free_memory", lambda: 2 * more)
    assert told(lambda: load_model(folder, {})) == []
    monkeypatch.setattr(number_format, "free_memory", lambda: 2 * more - 2)
    [(kind, text)] = told(lambda: load_model(folder, {}))
    assert kind is NarrowTypeWarning
    assert "are bfloat16" in text
    assert 'dtype="float32"' in text
    assert load_model(folder, {"dtype": "bfloat16"})[0].dtype == torch.bfloat16


@pytest.mark.usefixtures("large")
def test_what_others_loaded_in_a_slow_type_is_told_of_and_left_as_it_is(monkeypatch, tmp_path):
    from transformers import pipeline

    slow(monkeypatch, torch.bfloat16)
    model, tokenizer = load_model(saved(tmp_path, torch.bfloat16), {"dtype": "bfloat16"})
    loaded = pipeline("text-generation", model=model, tokenizer=tokenizer)
    for make in (
        lambda: Reader.from_pipeline(loaded, "average"),
        lambda: Reader(model, tokenizer, "average"),
    ):
        [(kind, _)] = told(make)
        assert kind is NarrowTypeWarning
    named = told(lambda: Reader.from_pretrained(tmp_path, "average", dtype="bfloat16"))
    assert named == []
    assert model.dtype == torch.bfloat16


def test_float32_is_told_of_once_where_bfloat16_is_faster(monkeypatch, tmp_path):
    folder = LLAMA / "model"
    slow(monkeypatch)
    monkeypatch.setattr("at2_rag.notices.has_bfloat16_tiles", lambda: True)
    assert told(lambda: load_model(folder, {})) == []  # so small that it is fast anyway
    monkeypatch.setattr(number_format, "LARGE", 1)
    [(kind, text)] = told(lambda: load_model(folder, {}))
    assert kind is WideTypeWarning
    assert "are float32" in text
    assert 'dtype="bfloat16"' in text
    for chosen in ("float32", "bfloat16"):
        assert told(lambda dtype=chosen: load_model(folder, {"dtype": dtype})) == []
    saved(tmp_path, torch.bfloat16)
    assert told(lambda: load_model(tmp_path, {"dtype": "auto"})) == []
    monkeypatch.setattr("at2_rag.notices.has_bfloat16_tiles", lambda: False)
    assert told(lambda: load_model(folder, {})) == []


def test_packed_weights_keep_their_type(monkeypatch, large, tmp_path):
    slow(monkeypatch, *SHORT)
    model, _ = load_model(saved(tmp_path, torch.bfloat16), {"dtype": "bfloat16"})
    model.is_quantized = True
    assert in_fast_format(model, 1).dtype == torch.bfloat16


def clock(*seconds):
    """Return a clock by which products take so long, one after another."""
    passed = iter([time for each in seconds for time in (0.0, each)])
    return lambda: next(passed)


@pytest.mark.parametrize("dtype", SHORT)
def test_slow_is_what_takes_several_times_as_long_as_float32_each_at_its_fastest(dtype):
    rest = [9.0, 9.0] * (TRIES - 2)
    assert is_slow(dtype, clock(9.0, 1.0, SLOW + 0.1, 9.0, *rest))
    assert not is_slow(dtype, clock(9.0, 1.0, SLOW, 9.0, *rest))


@pytest.mark.parametrize("dtype", SHORT)
def test_a_processor_is_timed_once(dtype):
    once = clock(*[SLOW + 1, 1.0] * TRIES)
    assert is_slow(dtype, once)
    assert is_slow(dtype, once)
    with pytest.raises(StopIteration):
        once()


@pytest.mark.parametrize(
    ("limit", "used", "files", "without"),
    [
        ("memory.max", "memory.current", "inactive_file", "max\n"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file",
         f"{2**63 - 4096}\n"),
    ],
)  # fmt: skip
def test_a_containers_limit_bounds_what_is_free(tmp_path, limit, used, files, without):
    (tmp_path / limit).parent.mkdir(exist_ok=True)
    assert free_memory(tmp_path) > 1_000_000
    (tmp_path / used).write_text("1000\n")
    (tmp_path / limit).write_text(without)
    stat = (tmp_path / limit).parent / "memory.stat"
    stat.write_text(f"anon 1\n{files} 300\n")
    assert free_memory(tmp_path) > 1_000_000
    (tmp_path / limit).write_text("5000\n")
    assert free_memory(tmp_path) == 4300  # copies of files give way
