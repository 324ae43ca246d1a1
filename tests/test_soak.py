"""Many requests of all kinds at once on one reader: the same results, and nothing left behind.

``examples/soak.py`` is the long version, and where the requests come from.
"""

import importlib.util
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import pytest
from packaging.version import Version
from support.places import REPOSITORY


def load_soak():
    path = REPOSITORY / "examples" / "soak.py"
    spec = importlib.util.spec_from_file_location("soak", path)
    sys.modules["soak"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


soak = load_soak()


@pytest.fixture(scope="module")
def soaked():
    """A reader that was asked everything alone, and once at the same time."""
    tested = soak.Soak(soak.tiny_reader(), soak.questions(2))
    tested.ask_alone()
    tested.run(12, threads=4, seed=0)
    return tested


def test_requests_at_once_give_what_they_give_alone_and_leave_nothing(soaked):
    before = soak.Left.now(soaked.reader.model)
    soaked.run(48, threads=4, seed=1)
    assert soaked.errors == []
    after = soak.Left.now(soaked.reader.model)
    assert after.tensors == before.tensors
    assert after.hooks == before.hooks
    assert after.threads == before.threads


def test_requests_at_once_leave_memory_as_it_was(soaked):
    """A leak grows each time; what the allocator keeps of a process's other tests does not."""
    grown = []
    for seed in range(2, 5):
        before = soak.Left.now(soaked.reader.model)
        soaked.run(48, threads=4, seed=seed)
        grown.append(soak.Left.now(soaked.reader.model).memory - before.memory)
        if grown[-1] < soak.ROOM:
            return
    pytest.fail(f"memory grew by {grown} bytes")


def test_a_soak_sees_what_differs_and_what_is_left(soaked, monkeypatch):
    """Otherwise it could not fail."""
    name = soak.attribute.__name__
    wrong = soak.Soak(soaked.reader, soaked.asked[:1], dict(soaked.alone))
    text, kept, cited, scores = wrong.alone[name, 0]
    scores[0][0] += 1e-2
    wrong.alone[name, 0] = text, kept, cited, scores
    monkeypatch.setattr(soak, "SYNC", (soak.attribute,))
    monkeypatch.setattr(soak, "ASYNC", ())
    wrong.run(1, threads=1, seed=0)
    scores[0][0] -= 1e-2
    assert wrong.errors == ["attribute 0: another result than alone"]

    before = soak.Left.now(soaked.reader.model)
    kept_alive = soaked.reader.model.lm_head.weight.detach() + 1
    handle = soaked.reader.model.lm_head.register_forward_hook(lambda *_: None)
    released = threading.Event()
    thread = threading.Thread(target=released.wait)
    thread.start()
    found = soak.grown(before, soak.Left.now(soaked.reader.model))
    released.set()
    thread.join()
    handle.remove()
    del kept_alive
    assert [each.split(":")[0] for each in found] == ["threads left", "1 tensors left",
                                                      "1 hooks left"]  # fmt: skip
    assert soak.grown(before, soak.Left.now(soaked.reader.model)) == []


@pytest.mark.skipif(
    Version(version("tokenizers")) < Version("0.23"), reason="tokenizers before 0.23 borrow once"
)
@pytest.mark.parametrize("settings", ["of a call", "of the tokenizer"])
def test_others_may_pad_and_truncate_with_the_same_tokenizer(soaked, settings):
    """These are settings of the tokenizer, which another thread's calls change under this one's."""
    reader, (asked, _) = soaked.reader, soaked.asked
    texts = [passage.text for passage in asked.passages] * 4
    backend = reader.tokenizer.backend_tokenizer
    ended, calls = threading.Event(), 0

    def meddle():
        nonlocal calls
        while not ended.is_set():
            if settings == "of a call":
                reader.tokenizer(texts, padding=True, truncation=True, max_length=16)
            else:
                backend.enable_truncation(8)
                backend.enable_padding(length=700)
                ended.wait(0.001)
            calls += 1

    with ThreadPoolExecutor(1) as pool:
        meddling = pool.submit(meddle)
        try:
            for _ in range(40):
                assert soak.same(
                    soak.attribute(reader, asked), soaked.alone[soak.attribute.__name__, 0]
                )
        finally:
            ended.set()
            meddling.result()
            backend.no_truncation()
            backend.no_padding()
    assert calls > 1
