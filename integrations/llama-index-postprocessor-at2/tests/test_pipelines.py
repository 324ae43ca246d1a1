"""Whole pipelines: real embeddings or BM25, the postprocessor, the synthesizer, the engine."""

import asyncio

import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.callbacks import CBEventType
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import NodeRelationship, QueryBundle
from llama_index.postprocessor.at2 import (
    AT2CitationQueryEngine,
    AT2Postprocessor,
    AT2Synthesizer,
)
from llama_index.retrievers.bm25 import BM25Retriever
from support.laws import check_response, check_same
from support.listening import logged
from support.nodes import nodes_of


def right(response, example):
    return f"Final answer: {example.final_answer}" in response.response


@pytest.fixture(scope="module")
def index(one_hop, embedding):
    """The passages of four worlds, in one index."""
    nodes = []
    for number, example in enumerate(one_hop[:4]):
        for node in nodes_of(example):
            nodes.append(node.model_copy(update={"id_": f"world-{number}-{node.id_}"}))
    return VectorStoreIndex(nodes, embed_model=embedding)


def retrieved(engine, question):
    return engine.retrieve(QueryBundle(question))


@pytest.fixture(scope="module")
def engine(index, reader):
    return AT2CitationQueryEngine.from_args(index, reader=reader, similarity_top_k=4)


def test_vector_index_to_postprocessor_to_synthesizer(index, reader, one_hop):
    engine = RetrieverQueryEngine(
        index.as_retriever(similarity_top_k=5),
        response_synthesizer=AT2Synthesizer(reader),
        node_postprocessors=[AT2Postprocessor(reader=reader, top_n=2)],
    )
    answered = 0
    for example in one_hop[:4]:
        response = engine.query(example.question)
        nodes = retrieved(engine, example.question)
        assert len(nodes) == 2
        check_same_response(response, nodes)
        answered += right(response, example)
    assert answered >= 3


def check_same_response(response, nodes):
    """Check a response against another retrieval of the same nodes, by id."""
    by_id = {item.node_id: item for item in nodes}
    assert len(by_id) == len(nodes)
    stand_ins = [by_id[node_id] for node_id in response.at2["kept"]]
    assert stand_ins == nodes
    for item in response.source_nodes:
        assert item.node == by_id[item.node_id].node
        by_id[item.node_id].node = item.node
    check_response(response, nodes)


def test_bm25_to_postprocessor_to_synthesizer(reader, worlds):
    for example in worlds[:2]:
        nodes = nodes_of(example)
        engine = RetrieverQueryEngine.from_args(
            BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=5),
            llm=AT2Synthesizer(reader).llm,
            response_synthesizer=AT2Synthesizer(reader),
            node_postprocessors=[AT2Postprocessor(reader=reader)],
        )
        response = engine.query(example.question)
        check_same_response(response, retrieved(engine, example.question))
        originals = {node.node_id: node for node in nodes}
        for item in response.source_nodes:
            original = originals[item.node_id]
            assert item.node.relationships == original.relationships
            assert item.node.start_char_idx == original.start_char_idx
            assert item.node.end_char_idx == original.end_char_idx
            assert item.node.metadata == original.metadata


def test_the_engine_reads_as_citation_query_engine_does(engine, one_hop):
    answered = 0
    for example in one_hop[:4]:
        response = engine.query(example.question)
        check_same_response(response, retrieved(engine, example.question))
        answered += right(response, example)
        assert "[1]" in str(response)
        assert response.source_nodes[0].node.text in response.get_formatted_sources(length=10_000)
    assert answered >= 3


def test_the_engine_prunes_streams_and_swaps_retrievers(index, reader, one_hop):
    example, (log, manager) = one_hop[1], logged()
    engine = AT2CitationQueryEngine.from_args(
        index.as_retriever(similarity_top_k=6), reader, prune_to=3, callback_manager=manager
    )
    whole = engine.query(example.question)
    assert len(whole.at2["kept"]) == 3
    assert [when for when, _ in log.of(CBEventType.QUERY)] == ["start", "end"]
    streaming = AT2CitationQueryEngine.from_args(
        index, reader, prune_to=3, streaming=True, similarity_top_k=6
    )
    check_same(streaming.query(example.question).get_response(), whole)
    other = engine.with_retriever(BM25Retriever.from_defaults(nodes=nodes_of(example)))
    assert isinstance(other, AT2CitationQueryEngine)
    assert other.class_name() == "AT2CitationQueryEngine"
    assert other.query(example.question).at2["kept"]


def test_sixteen_at_a_time_are_as_one_at_a_time(index, reader, one_hop):
    engine = AT2CitationQueryEngine.from_args(
        index, reader, similarity_top_k=3, options={"max_new_tokens": 8}
    )
    questions = [one_hop[i % 8].question for i in range(16)]
    alone = {question: engine.query(question) for question in set(questions)}
    assert sum(bool(response.source_nodes) for response in alone.values()) >= 4

    async def together():
        return await asyncio.gather(*(engine.aquery(question) for question in questions))

    for question, response in zip(questions, asyncio.run(together()), strict=True):
        assert response.response == alone[question].response
        assert response.at2["citations"] == alone[question].at2["citations"]
        assert [i.node_id for i in response.source_nodes] == [
            i.node_id for i in alone[question].source_nodes
        ]


def test_citations_point_into_the_document_that_was_split(embedding, reader, worlds):
    """Split by LlamaIndex's own splitter, whose data come with it."""
    example = worlds[2]
    document = Document(
        id_="all", text="\n\n".join(p.text for p in example.passages), metadata={"file_name": "w"}
    )
    index = VectorStoreIndex.from_documents(
        [document],
        embed_model=embedding,
        transformations=[SentenceSplitter(chunk_size=60, chunk_overlap=10)],
    )
    engine = AT2CitationQueryEngine.from_args(index, reader, similarity_top_k=4)
    response = engine.query(example.question)
    assert response.at2["citations"]
    for c in response.at2["citations"]:
        assert document.text[c["document_start"] : c["document_end"]] == c["text"]
        assert c["title"] == "w"
    for item in response.source_nodes:
        assert item.node.relationships[NodeRelationship.SOURCE].node_id == "all"


def test_nothing_retrieved(embedding, reader):
    engine = AT2CitationQueryEngine.from_args(VectorStoreIndex([], embed_model=embedding), reader)
    assert engine.query("Who?").response == "Empty Response"


@pytest.mark.parametrize(
    ("source", "wrong", "message"),
    [
        ("index", {"llm": None}, "the reader answers"),
        ("index", {"citation_chunk_size": 512}, "sentences within nodes"),
        ("index", {"citation_qa_template": None}, "update_prompts"),
        ("retriever", {"similarity_top_k": 2}, "Unknown argument"),
        ("neither", {}, "expected an index or a retriever"),
        ("index", {"reader": "gpt2"}, "expected an at2_rag.Reader"),
    ],
)
def test_wrong_arguments(index, reader, source, wrong, message):
    sources = {"index": index, "retriever": index.as_retriever(), "neither": []}
    with pytest.raises(TypeError, match=message):
        AT2CitationQueryEngine.from_args(sources[source], **{"reader": reader, **wrong})
