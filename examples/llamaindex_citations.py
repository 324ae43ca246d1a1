"""LlamaIndex: retrieve, answer, and see which sentences of which nodes made the model say it.

    python examples/llamaindex_citations.py
    python examples/llamaindex_citations.py --model Qwen/Qwen2.5-1.5B-Instruct

Without --model, the demo reader answers: it knows generated worlds only, as the documents are here.
"""

import argparse
from itertools import islice

from llama_index.core.schema import TextNode
from llama_index.postprocessor.at2 import AT2CitationQueryEngine
from llama_index.retrievers.bm25 import BM25Retriever

from at2_rag import Reader
from at2_rag.worlds import WorldExample, generate_examples


def main() -> None:
    """Ask one question whole, and one as a stream."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="hub id or folder of a causal language model")
    name = parser.parse_args().model
    reader = Reader.from_pretrained(name) if name else Reader.demo()

    whole, streamed = islice(generate_examples(seed=4, num_passages=8, hops=2), 2)
    show(AT2CitationQueryEngine.from_args(retriever_of(whole), reader), whole.question)
    engine = AT2CitationQueryEngine.from_args(
        retriever_of(streamed), reader, prune_to=3, streaming=True
    )
    show(engine, streamed.question)


def retriever_of(example: WorldExample) -> BM25Retriever:
    """Return a retriever over a world's passages; any index or retriever does."""
    nodes = [TextNode(text=p.text, metadata={"title": p.title}) for p in example.passages]
    return BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=8)


def show(engine: AT2CitationQueryEngine, question: str) -> None:
    """Print the answer, and for each number its node and the sentences that were used."""
    print(f"\n{question}\n→ ", end="")
    response = engine.query(question)
    if hasattr(response, "print_response_stream"):
        response.print_response_stream()
        print()
    else:
        print(response)
    citations = response.at2["citations"]
    for number, source in enumerate(response.source_nodes, start=1):
        print(f"\n[{number}] {source.metadata['title']} (score {source.score:.5f})")
        for text in dict.fromkeys(c["text"] for c in citations if c["number"] == number):
            print(f"    “{text}”")


if __name__ == "__main__":
    main()
