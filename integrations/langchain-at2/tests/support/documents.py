"""Passages as a retriever returns them."""

from langchain_core.documents import Document


def as_documents(passages):
    """Passages as a retriever returns them: with ids, addresses, and metadata of all kinds."""
    return [
        Document(
            page_content=passage.text,
            id=f"doc-{index}",
            metadata={
                "title": passage.title,
                "source": f"https://example.org/{index}",
                "tags": {"made-up", "world"},
                "nested": {"page": [index]},
                "relevance_score": "an older one",
            },
        )
        for index, passage in enumerate(passages)
    ]
