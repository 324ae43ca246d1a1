"""LangChain: retrieve with BM25, keep what a draft used, answer with citations.

Needs at2-rag[cli], langchain-at2 and langchain-classic. Runs as it stands with the demo reader,
which knows made-up worlds only; --model takes a real one.
"""

from __future__ import annotations

import argparse

from langchain_at2 import (
    AT2CitedAnswer,
    AT2DocumentCompressor,
    passages_to_documents,
    references_text,
)
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough

from at2_rag import Passage, Reader
from at2_rag.documents.bm25 import best_by_bm25
from at2_rag.worlds import generate_examples


def build(reader: Reader, passages: list[Passage]) -> Runnable:
    """Return a chain from a question to the documents kept and the answer."""
    documents = passages_to_documents(passages)
    retriever = RunnableLambda(lambda q: [documents[i] for i in best_by_bm25(q, passages, 6)])
    compressed = ContextualCompressionRetriever(
        base_compressor=AT2DocumentCompressor(reader=reader, top_n=3), base_retriever=retriever
    )
    inputs = {"question": RunnablePassthrough(), "context": compressed}
    return inputs | RunnablePassthrough.assign(
        answer=AT2CitedAnswer(reader=reader, inline_markers=True)
    )


def main() -> None:
    """Ask one question and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="hub id or folder of a real model")
    model = parser.parse_args().model
    reader = Reader.from_pretrained(model) if model else Reader.demo()
    example = next(generate_examples(seed=3, num_passages=8, hops=2))
    result = build(reader, list(example.passages)).invoke(example.question)
    print(f"{example.question}\n")
    for document in result["context"]:
        print(f"{document.metadata['relevance_score']:9.5f}  {document.metadata['title']}")
    print(f"\n→ {result['answer'].text}\n\n{references_text(result['answer'])}")


if __name__ == "__main__":
    main()
