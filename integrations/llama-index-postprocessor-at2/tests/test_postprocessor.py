"""AT2Postprocessor: what is kept, in which order, and what is told."""

import asyncio
import copy
import json
import pickle

import pytest
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, TextNode
from llama_index.postprocessor.at2 import AT2Postprocessor
from support.laws import Unchanged
from support.listening import listening, logged
from support.nodes import nodes_of, scored

from at2_rag import ContextOverflowError, InputError, PromptTemplate, Reader, UnsupportedModelError


@pytest.fixture(scope="module")
def ranked(reader, worlds):
    """Each world's nodes, and what is left of them."""
    postprocessor, results = AT2Postprocessor(reader=reader), []
    for example in worlds:
        nodes = scored(nodes_of(example))
        with Unchanged(nodes):
            kept = postprocessor.postprocess_nodes(nodes, query_str=example.question)
        results.append((example, nodes, kept))
    return results


def test_the_needed_nodes_are_kept(ranked):
    """Chance for both of two among three of six is 1 in 5."""
    found = sum(
        {f"node-{i}" for i in example.supporting_passages} <= {item.node_id for item in kept}
        for example, _, kept in ranked
    )
    assert found >= 7  # 8 when this was written


def test_nodes_are_the_same_objects_with_new_scores_in_descending_order(ranked):
    for _, nodes, kept in ranked:
        assert len(kept) == 3
        scores = [item.score for item in kept]
        assert scores == sorted(scores, reverse=True)
        assert all(type(score) is float for score in scores)
        given = {id(item.node) for item in nodes}
        assert all(id(item.node) in given for item in kept)
        assert not {id(item) for item in kept} & {id(item) for item in nodes}


def test_scores_are_the_readers(reader, ranked):
    example, nodes, kept = ranked[0]
    answer = reader.answer(example.question, example.passages)
    expected = [(nodes[i].node_id, score) for i, score in answer.ranked_passages[:3]]
    assert [item.node_id for item in kept] == [name for name, _ in expected]
    # The url of a node is not shown, so the prompt is the same.
    assert [item.score for item in kept] == pytest.approx([score for _, score in expected])


def test_the_draft_has_its_own_options(reader, ranked):
    """Scores by gradient are nats of the whole draft, and other than those by attention."""
    example, nodes, kept = ranked[0]
    options = {"score_by": "gradient", "max_new_tokens": 20}
    postprocessor = AT2Postprocessor(reader, options=options)
    found = postprocessor.postprocess_nodes(nodes, query_str=example.question)
    answer = reader.answer(example.question, example.passages, **options)
    assert answer.estimator == "knockout-gradient"
    expected = [(nodes[i].node_id, score) for i, score in answer.used_passages[:3]]
    assert [item.node_id for item in found] == [name for name, _ in expected]
    assert [item.score for item in found] == pytest.approx([score for _, score in expected])
    assert [item.score for item in found] != [item.score for item in kept]
    told = {**options, "prompt": PromptTemplate("{passages}\n\n{question}")}
    asked = AT2Postprocessor(reader, options=told)
    again = AT2Postprocessor.from_dict(json.loads(asked.to_json()), reader=reader)
    assert again.options == told
    with pytest.raises(InputError, match="score_by is 'gradients'"):
        AT2Postprocessor(reader, options={"score_by": "gradients"})
    earlier = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hi."}]
    followed = AT2Postprocessor(reader, options={"history": earlier})
    found = followed.postprocess_nodes(nodes, query_str=example.question)
    ranked = reader.rank(example.question, example.passages, history=earlier)[:3]
    assert [item.node_id for item in found] == [nodes[i].node_id for i, _ in ranked]
    with pytest.raises(InputError, match=r"max_new_token=1; .* did you mean max_new_tokens"):
        AT2Postprocessor(reader, options={"max_new_token": 1})


def test_the_question_ranks_them_without_a_draft(reader, ranked):
    example, nodes, _ = ranked[0]
    postprocessor = AT2Postprocessor(reader, options={"rank_by": "question"})
    found = postprocessor.postprocess_nodes(nodes, query_str=example.question)
    best = reader.rank(example.question, example.passages, rank_by="question")[:3]
    assert [item.node_id for item in found] == [nodes[i].node_id for i, _ in best]
    assert [item.score for item in found] == pytest.approx([score for _, score in best])


def test_a_threshold_leaves_out_what_is_below(reader, ranked):
    example, nodes, kept = ranked[0]
    postprocessor = AT2Postprocessor(reader, top_n=6, score_threshold=kept[1].score)
    above = postprocessor.postprocess_nodes(nodes, query_str=example.question)
    assert above == kept[:2]
    assert len(AT2Postprocessor(reader, 1).postprocess_nodes(nodes, query_str="Who?")) == 1


def test_the_retrieval_score_goes_to_a_copy(reader, ranked):
    example, nodes, kept = ranked[0]
    postprocessor = AT2Postprocessor(reader, keep_retrieval_score=True)
    with Unchanged(nodes):
        result = postprocessor.postprocess_nodes(nodes, query_str=example.question)
    old = {item.node_id: item.score for item in nodes}
    for item, plain in zip(result, kept, strict=True):
        metadata = {**plain.node.metadata, "retrieval_score": old[plain.node_id]}
        expected = plain.node.model_copy(update={"metadata": metadata})
        assert item.node == expected  # ids, relationships and offsets included
        assert item.score == plain.score


def test_async_is_the_same(reader, ranked):
    example, nodes, kept = ranked[0]
    postprocessor = AT2Postprocessor(reader)
    query = QueryBundle(example.question)
    assert asyncio.run(postprocessor.apostprocess_nodes(nodes, query)) == kept


def test_listeners_are_told_of_both_ends(reader, ranked):
    example, nodes, kept = ranked[0]
    log, manager = logged()
    postprocessor = AT2Postprocessor(reader, callback_manager=manager)
    with listening() as events:
        postprocessor.postprocess_nodes(nodes, query_str=example.question)
    start, end = [e for e in events if isinstance(e, ReRankStartEvent | ReRankEndEvent)]
    assert (start.query.query_str, start.top_n, start.model_name) == (
        example.question,
        3,
        reader.name,
    )
    assert (start.nodes, end.nodes) == (nodes, kept)
    (_, begun), (_, ended) = log.of(CBEventType.RERANKING)
    assert begun[EventPayload.NODES] == nodes
    assert begun[EventPayload.QUERY_STR] == example.question
    assert (begun[EventPayload.TOP_K], begun[EventPayload.MODEL_NAME]) == (3, reader.name)
    assert ended[EventPayload.NODES] == kept


def test_listeners_are_told_of_the_end_of_a_failure(reader, nodes):
    log, manager = logged()
    postprocessor = AT2Postprocessor(reader, callback_manager=manager)
    long = [NodeWithScore(node=TextNode(text="word " * 5000))]
    with listening() as events, pytest.raises(ContextOverflowError, match="tokens"):
        postprocessor.postprocess_nodes([*nodes, *long], query_str="Who?")
    told = [e for e in events if isinstance(e, ReRankStartEvent | ReRankEndEvent)]
    assert [type(e) for e in told] == [ReRankStartEvent, ReRankEndEvent]
    assert told[1].nodes == []
    (_, _), (when, payload) = log.of(CBEventType.RERANKING)
    assert when == "end"
    assert isinstance(payload[EventPayload.EXCEPTION], ContextOverflowError)


def test_no_nodes_and_no_query(reader, nodes):
    postprocessor = AT2Postprocessor(reader)
    with listening() as events:
        assert postprocessor.postprocess_nodes([], query_str="Who?") == []
        with pytest.raises(ValueError, match="No query"):
            postprocessor.postprocess_nodes(nodes)
        with pytest.raises(ValueError, match="both"):
            postprocessor.postprocess_nodes(nodes, QueryBundle("Who?"), "Who?")
    assert not [e for e in events if isinstance(e, ReRankStartEvent)]
    with pytest.raises(ValueError, match="question is ' '"):
        postprocessor.postprocess_nodes(nodes, query_str=" ")


def test_empty_nodes_come_last_without_a_score(reader, example, nodes):
    empty = [NodeWithScore(node=TextNode(text=text), score=1.0) for text in ("", " \n")]
    mixed = [empty[0], *nodes[:2], empty[1]]
    with Unchanged(mixed):
        kept = AT2Postprocessor(reader, top_n=4).postprocess_nodes(mixed, query_str="Who?")
    assert {item.node_id for item in kept[:2]} == {item.node_id for item in nodes[:2]}
    assert [item.node_id for item in kept[2:]] == [item.node_id for item in empty]
    assert [item.score for item in kept[2:]] == [None, None]
    nothing = AT2Postprocessor(reader).postprocess_nodes(empty, query_str="Who?")
    assert [item.score for item in nothing] == [None, None]
    strict = AT2Postprocessor(reader, score_threshold=-1.0)
    assert strict.postprocess_nodes(empty, query_str="Who?") == []


def test_the_same_node_twice_and_metadata_that_is_no_json(reader, nodes):
    odd = TextNode(id_="node-0", text="A mayor.", metadata={"title": 7, "when": {1, 2}, "url": b""})
    mixed = [nodes[0], nodes[0], NodeWithScore(node=odd)]
    kept = AT2Postprocessor(reader).postprocess_nodes(mixed, query_str="Who is the mayor?")
    assert len(kept) == 3
    assert sum(item.node is odd for item in kept) == 1


def test_what_does_not_fit_is_kept_unscored_where_the_reader_drops(reader, nodes):
    dropping = Reader(
        reader.model, reader.tokenizer, reader.estimator, on_overflow="drop", max_new_tokens=8
    )
    long = NodeWithScore(node=TextNode(text="word " * 5000), score=0.1)
    postprocessor = AT2Postprocessor(dropping, top_n=3)
    kept = postprocessor.postprocess_nodes([*nodes[:2], long], query_str="Who?")
    assert kept[2].node is long.node
    assert [item.score is None for item in kept] == [False, False, True]


def test_the_model_reads_the_metadata_that_is_asked_for(reader, nodes, monkeypatch):
    read = []
    rank = Reader.rank
    monkeypatch.setattr(
        Reader, "rank", lambda self, q, p, **k: read.append(p) or rank(self, q, p, **k)
    )
    hidden = nodes[1].node.model_copy(update={"excluded_llm_metadata_keys": ["title", "url"]})
    pair = [nodes[0], NodeWithScore(node=hidden)]
    AT2Postprocessor(reader).postprocess_nodes(pair, query_str="Who?")
    llm = AT2Postprocessor(reader, metadata_mode=MetadataMode.LLM)
    llm.postprocess_nodes(pair, query_str="Who?")
    assert [p.title for p in read[0]] == [nodes[0].node.metadata["title"], None]
    assert read[1][0].title == nodes[0].node.get_metadata_str(MetadataMode.LLM)
    assert read[1][1].title == "page: 1"
    assert all(p.text == item.node.text for p, item in zip(read[1], pair, strict=True))


def test_serialisation_needs_the_reader_again(reader, ranked):
    example, nodes, kept = ranked[0]
    postprocessor = AT2Postprocessor(reader, top_n=2, keep_retrieval_score=True)
    data = json.loads(postprocessor.to_json())
    assert data == {
        "class_name": "AT2Postprocessor",
        "top_n": 2,
        "score_threshold": None,
        "keep_retrieval_score": True,
        "metadata_mode": "none",
        "options": {},
    }
    again = AT2Postprocessor.from_dict(data, reader=reader)
    assert again.to_dict() == postprocessor.to_dict()
    assert again.postprocess_nodes(nodes, query_str=example.question)[0].node_id == kept[0].node_id


def test_pickles_leave_the_reader_behind_and_copies_share_it(reader, nodes):
    postprocessor = AT2Postprocessor(reader, top_n=2)
    data = pickle.dumps(postprocessor)
    assert len(data) < 10_000
    again = pickle.loads(data)
    assert again.to_dict() == postprocessor.to_dict()
    with pytest.raises(TypeError, match="Set its reader"):
        again.postprocess_nodes(nodes, query_str="Who?")
    again.reader = reader
    assert again.reader is reader
    for copied in (copy.deepcopy(postprocessor), copy.copy(postprocessor)):
        assert copied.reader is reader


@pytest.mark.parametrize(
    "wrong", [{"top_n": 0}, {"top_n": "many"}, {"score_threshold": "high"}, {"top_k": 3}]
)
def test_wrong_fields(reader, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AT2Postprocessor(reader, **wrong)


def test_a_reader_is_needed():
    with pytest.raises(TypeError, match="expected an at2_rag"):
        AT2Postprocessor("Qwen/Qwen2.5-1.5B-Instruct")


def test_a_reader_for_an_unsupported_model_cannot_be_made():
    from transformers import BloomConfig, BloomForCausalLM

    config = BloomConfig(hidden_size=16, n_layer=1, n_head=2, vocab_size=32)
    with pytest.raises(UnsupportedModelError):
        AT2Postprocessor(Reader(BloomForCausalLM(config), Reader.demo().tokenizer))
