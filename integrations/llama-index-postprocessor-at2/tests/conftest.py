"""The demo reader, offline embeddings, and documents; loaded once."""

import os
import secrets
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
# What probing a model finds is kept for this run, by all of its processes, and not beside what the
# user has.
os.environ["HF_ASSETS_CACHE"] = os.path.join(
    tempfile.gettempdir(),
    f"at2-rag-tests-{os.environ.get('PYTEST_XDIST_TESTRUNUID') or secrets.token_hex(16)}",
)
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import json
import socket
from itertools import islice

import pytest
import torch
import transformers
from hypothesis import settings
from support.embedding import MiniLM
from support.nodes import nodes_of, scored
from support.places import real_data

from at2_rag import Reader, ThinkingMarkers
from at2_rag.worlds import generate_examples

settings.register_profile(
    "suite", max_examples=50, deadline=None, derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("suite")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _no_network():
    """Nothing here asks a hub, an API or a mirror of nltk or tiktoken data."""

    def refuse(self, address):
        raise AssertionError(f"a test connects to {address}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        yield


@pytest.fixture(autouse=True)
def _no_default_models(monkeypatch):
    """Settings.llm and Settings.embed_model are not needed."""

    def refuse(*args, **kwargs):
        raise AssertionError("a default model is asked for")

    monkeypatch.setattr("llama_index.core.settings.resolve_llm", refuse)
    monkeypatch.setattr("llama_index.core.settings.resolve_embed_model", refuse)


@pytest.fixture(scope="session")
def reader():
    return Reader.demo(max_new_tokens=48)


@pytest.fixture(scope="session")
def thinking(reader):
    """The same as a reasoning model: its steps are thoughts, and the short answer the response."""
    return Reader(
        reader.model,
        reader.tokenizer,
        reader.estimator,
        max_new_tokens=64,
        thinking=ThinkingMarkers("", " Final answer: "),
    )


@pytest.fixture(scope="session")
def embedding():
    return MiniLM()


@pytest.fixture(scope="session")
def worlds():
    """Two-hop questions, six passages each, that the demo reader answers right."""
    return list(islice(generate_examples(11, 6, 2), 8))


@pytest.fixture(scope="session")
def one_hop():
    """Questions of one hop, so that a retriever can find all they need."""
    return list(islice(generate_examples(12, 6, 1), 8))


@pytest.fixture(scope="session")
def hotpot():
    text = real_data("hotpotqa_dev_100.json").read_text(encoding="utf-8")
    return json.loads(text)


@pytest.fixture
def example(worlds):
    return worlds[0]


@pytest.fixture
def nodes(example):
    return scored(nodes_of(example))
