"""Reranking for other programs: the reader's order, in the shape that they know."""

import pytest
from support.comparing import check_close
from support.serving import DOCUMENTS, PASSAGES, QUESTION, TEXTS, error_of, served

from at2_rag import Passage

GIVEN = [Passage(**fields) for fields in PASSAGES]


@pytest.fixture(scope="module")
def server(demo_reader):
    with served(demo_reader) as running:
        yield running


def reranked(server, path="/v1/rerank", **more):
    body = {"query": QUESTION, "documents": DOCUMENTS, **more}
    return server.post(path, json=body).json()


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
def test_documents_come_in_the_readers_order(server, demo_reader, path):
    told = reranked(server, path, model="tiny", max_tokens_per_doc=4096)
    ranked = demo_reader.rank(QUESTION, GIVEN, rank_by="question")
    assert told["model"] == "tiny"
    assert [result["index"] for result in told["results"]] == [index for index, _ in ranked]
    scores = [result["relevance_score"] for result in told["results"]]
    check_close(scores, [score for _, score in ranked], scale=1.0, steps=4096)
    texts = [TEXTS[result["index"]] for result in told["results"]]
    assert [result["document"] for result in told["results"]] == [{"text": t} for t in texts]


def test_so_many_come_as_are_wanted(server):
    whole = reranked(server)["results"]
    assert reranked(server, top_n=2, return_documents=False)["results"] == [
        {"index": each["index"], "relevance_score": each["relevance_score"]} for each in whole[:2]
    ]
    assert len(reranked(server, top_n=50)["results"]) == len(DOCUMENTS)


def test_a_draft_ranks_them_if_asked_to(server, demo_reader):
    told = reranked(server, at2={"rank_by": "draft", "score_by": "gradient"})
    ranked = demo_reader.rank(QUESTION, GIVEN, score_by="gradient")
    assert [result["index"] for result in told["results"]] == [index for index, _ in ranked]


def test_what_the_model_cannot_read_comes_last(server):
    documents = [*DOCUMENTS, " ", "word " * 5000]
    told = reranked(server, documents=documents)["results"]
    assert [result["index"] for result in told[-2:]] == [3, 4]
    scores = [result["relevance_score"] for result in told]
    assert scores == sorted(scores, reverse=True)
    told = reranked(server, documents=["", " "])["results"]
    assert [(result["index"], result["relevance_score"]) for result in told] == [(0, 0), (1, 0)]


def test_null_is_what_is_left_out(server):
    told = reranked(server, at2=None, top_n=None, model=None)
    assert told["results"] == reranked(server)["results"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"documents": []}, "documents"),
        ({"top_n": 0}, "top_n"),
        ({"query": " "}, "query is ' '; expected text to rank"),
        ({"model": "other"}, "no model 'other'"),
        ({"documents": [{"titel": "A"}]}, "documents[0] has titel"),
    ],
)
def test_what_cannot_be_ranked_is_said(server, more, message):
    body = {"query": QUESTION, "documents": DOCUMENTS, **more}
    response = server.post("/v1/rerank", json=body)
    assert response.status_code in (400, 404, 422)
    assert message in error_of(response)["message"]
