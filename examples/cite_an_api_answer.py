"""Cite what another model said: an API answered, and a local model tells what it rests on.

Needs langchain-at2. Runs as it stands: the API's message is made up here, and scored by the demo
reader, which knows made-up worlds only; --model takes a real one.
"""

from __future__ import annotations

import argparse

from langchain_at2 import AT2Citer, citations_of, passages_to_documents, references_text
from langchain_core.messages import AIMessage

from at2_rag import Reader
from at2_rag.worlds import generate_examples


def main() -> None:
    """Cite one message and print what its annotations say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="hub id or folder of a real model")
    model = parser.parse_args().model
    reader = Reader.from_pretrained(model) if model else Reader.demo()

    example = next(generate_examples(seed=5, num_passages=6, hops=2))
    # In your program: message = ChatOpenAI(...).invoke(...), with the same documents in the prompt.
    message = AIMessage(example.answer, response_metadata={"model_name": "an-api-model"})
    cited = AT2Citer(reader=reader, verify=True).invoke(
        {
            "question": example.question,
            "documents": passages_to_documents(example.passages),
            "answer": message,
        }
    )
    about = cited.response_metadata["at2"]
    print(f"{example.question}\n\n→ {cited.text}\n")
    for citation in citations_of(cited):
        statement = cited.text[citation["start_index"] : citation["end_index"]]
        print(f"[{citation['extras']['number']}] {citation['extras']['score']:.5f}  {statement}")
    print(f"\n{references_text(cited)}\n")
    for statement in about["verification"]["statements"]:
        if (together := statement["together"]) is not None:
            print(f"{together['factor']:.3g} times less likely without {together['numbers']}")
    print(f"\nAnswered by {about['answered_by']}, scored by {about['model']}.")


if __name__ == "__main__":
    main()
