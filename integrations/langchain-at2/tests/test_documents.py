"""Documents to passages and back: nothing lost, nothing changed."""

from copy import deepcopy
from pathlib import PurePosixPath
from uuid import UUID

import pytest
from at2_rag import Passage
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document

from langchain_at2 import documents_to_passages, passages_to_documents
from langchain_at2.documents import without_repeated_ids

words = st.text(min_size=1).filter(str.strip)
metadata = st.dictionaries(
    st.sampled_from(["title", "url", "source", "id", "page", "other"]),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.lists(st.integers())
    | st.sets(st.text())
    | st.binary(),
)
documents = st.builds(Document, page_content=st.text(), id=st.none() | words, metadata=metadata)
passages = st.builds(
    Passage,
    st.text(),
    title=st.none() | words,
    id=st.none() | words,
    url=st.none() | words,
    metadata=st.dictionaries(st.sampled_from(["page", "other"]), st.integers() | st.binary()),
)


def one(**document):
    return documents_to_passages([Document(page_content="text", **document)])[0]


@given(st.lists(documents))
def test_documents_come_back_as_they_were(given_documents):
    before = deepcopy(given_documents)
    back = passages_to_documents(documents_to_passages(given_documents))
    for old, new in zip(given_documents, back, strict=True):
        assert (new.page_content, new.metadata) == (old.page_content, old.metadata)
        assert new.id == old.id or old.id is None
    assert given_documents == before


@given(st.lists(passages))
def test_passages_come_back_the_same_in_what_a_reader_sees(given_passages):
    back = documents_to_passages(passages_to_documents(given_passages))
    for old, new in zip(given_passages, back, strict=True):
        assert (new.text, new.title, new.id, new.url) == (old.text, old.title, old.id, old.url)
        assert old.metadata.items() <= new.metadata.items()


@pytest.mark.parametrize(
    ("given_metadata", "url"),
    [
        ({"url": "https://a", "source": "b"}, "https://a"),
        ({"url": "", "source": "b.pdf"}, "b.pdf"),
        ({"source": PurePosixPath("notes/c.md")}, "notes/c.md"),
        ({"source": {"not": "text"}}, None),
        ({}, None),
    ],
)
def test_the_address(given_metadata, url):
    assert one(metadata=given_metadata).url == url


def test_the_documents_own_id_wins():
    assert one(id="own", metadata={"id": "metadata"}).id == "own"
    assert one(metadata={"id": 7}).id == "7"
    assert one(metadata={"id": UUID(int=1)}).id == str(UUID(int=1))
    assert one(metadata={"id": ["no", "id"]}).id is None
    assert one(metadata={"id": True}).id is None


@given(st.lists(passages))
def test_ids_that_are_left_are_unique(given_passages):
    left = without_repeated_ids(given_passages)
    ids = [passage.id for passage in left if passage.id is not None]
    assert len(set(ids)) == len(ids)
    assert [p.text for p in left] == [p.text for p in given_passages]
