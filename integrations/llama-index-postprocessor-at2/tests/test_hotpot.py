"""All 100 HotpotQA questions through whole pipelines: retriever, postprocessor, cited answer.

Words the demo reader has never seen: it answers nonsense, and the laws hold.
"""

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.base.response.schema import StreamingResponse
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.postprocessor.at2 import (
    AT2CitationQueryEngine,
    AT2Postprocessor,
    AT2Synthesizer,
)
from llama_index.retrievers.bm25 import BM25Retriever
from support.laws import Unchanged, check_response
from support.listening import logged

from at2_rag import Reader

#: Every tenth question goes through a vector index, since embedding takes long.
EMBEDDED = range(0, 100, 10)
OPTIONS = {"on_overflow": "drop", "max_new_tokens": 8}


@pytest.fixture(scope="module")
def drafting(reader):
    """Drafts are short."""
    options = {"on_overflow": "drop", "max_new_tokens": 2}
    return Reader(reader.model, reader.tokenizer, reader.estimator, **options)


@pytest.fixture(scope="module")
def questions(hotpot):
    return [example["question"] for example in hotpot]


@pytest.fixture(scope="module")
def openings(hotpot):
    """The nodes of each question, cut to what a small model reads in no time."""
    return [hotpot_nodes(example, str(n), length=80) for n, example in enumerate(hotpot)]


def hotpot_nodes(example, name, length=None):
    context = example["context"]
    return [
        TextNode(
            id_=f"{name}/{index}",
            text="".join(sentences).strip()[:length],
            metadata={"title": title},
            excluded_embed_metadata_keys=["title"],
        )
        for index, (title, sentences) in enumerate(
            zip(context["title"], context["sentences"], strict=True)
        )
    ]


def with_scores(nodes):
    return [NodeWithScore(node=node) for node in nodes]


class Asked:
    """Asks an engine that has the postprocessor, and checks what the two did.

    Args:
        originals: All nodes that the retriever knows.
    """

    def __init__(self, originals):
        self.log, self.manager = logged()
        self.originals = {node.node_id: node for node in originals}
        self.cited = 0

    def check(self, engine, question):
        response = engine.query(question)
        if isinstance(response, StreamingResponse):
            response = response.get_response()
        retrieved, kept = (payload[EventPayload.NODES] for _, payload in self._reranked())
        assert len(kept) == 2
        assert [item.score for item in kept] == sorted((i.score for i in kept), reverse=True)
        for item in kept:
            assert any(item.node is given.node for given in retrieved)
            assert item.node.text == self.originals[item.node_id].text
            assert item.node.metadata == self.originals[item.node_id].metadata
        at2 = response.at2
        assert sorted(at2["kept"] + at2["dropped"]) == sorted(item.node_id for item in kept)
        assert at2["answer_tokens"] <= 8
        check_response(response, kept)
        self.cited += bool(response.source_nodes)

    def _reranked(self):
        events = self.log.of(CBEventType.RERANKING)
        self.log.calls.clear()
        assert [when for when, _ in events] == ["start", "end"]
        return events


@pytest.mark.parametrize("streaming", [False, True])
def test_bm25_over_all_nodes(reader, drafting, questions, openings, streaming):
    nodes = [node for few in openings for node in few]
    assert len(nodes) > 900
    asked = Asked(nodes)
    engine = AT2CitationQueryEngine.from_args(
        BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=3),
        reader,
        node_postprocessors=[AT2Postprocessor(drafting, top_n=2)],
        options=OPTIONS,
        streaming=streaming,
        callback_manager=asked.manager,
    )
    numbers = [n for n in range(100) if n not in EMBEDDED and (n % 10 == 1) == streaming]
    with Unchanged(with_scores(nodes)):
        for n in numbers:
            asked.check(engine, questions[n])
    assert asked.cited >= len(numbers) / 2


def test_vector_index(reader, drafting, embedding, questions, openings):
    nodes = [node for n in EMBEDDED for node in openings[n]]
    asked = Asked(nodes)
    with Unchanged(with_scores(nodes)):
        engine = RetrieverQueryEngine(
            VectorStoreIndex(nodes, embed_model=embedding).as_retriever(similarity_top_k=3),
            response_synthesizer=AT2Synthesizer(reader, options=OPTIONS),
            node_postprocessors=[AT2Postprocessor(drafting, top_n=2)],
            callback_manager=asked.manager,
        )
        for n in EMBEDDED:
            asked.check(engine, questions[n])
    assert asked.cited >= 3


@pytest.mark.parametrize("number", [0, 50])
def test_whole_passages(reader, hotpot, number):
    """Ten do not fit the model's context; those that do not are left out."""
    nodes = with_scores(hotpot_nodes(hotpot[number], str(number)))
    synthesizer = AT2Synthesizer(reader, options=OPTIONS)
    with Unchanged(nodes):
        response = synthesizer.synthesize(hotpot[number]["question"], nodes)
    check_response(response, nodes)
    at2 = response.at2
    ids = [item.node_id for item in nodes]
    for part in (at2["kept"], at2["dropped"]):
        assert part
        assert part == [found for found in ids if found in part]
    assert sorted(at2["kept"] + at2["dropped"]) == sorted(ids)
