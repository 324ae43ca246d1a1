"""A dozen short articles about real things, written for this package, and questions about them."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

from at2_rag.documents.files import read_passages
from at2_rag.documents.passages import Passage

#: Those that a small model needs are few; without the others it finds an answer to the last one.
QUESTIONS = (
    "What was the Eiffel Tower built for?",
    "What is the axolotl?",
    "How deep is Lake Baikal?",
)


def read_articles() -> list[Passage]:
    """Read the short articles inside this package, written for it about real things."""
    with resources.as_file(resources.files("at2_rag") / "data" / "articles.jsonl") as path:
        # Where the package lies is of no use in a reference.
        return [replace(passage, metadata={}) for passage in read_passages([path])]
