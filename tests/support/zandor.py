"""A question about a made-up town, and passages that are short, doubled and in three scripts."""

from at2_rag import Passage

QUESTION = "Which river does Zandor lie on?"
PASSAGES = [
    Passage("Zandor lies on the Mol. It was founded in 1203.", title="Zandor", id="z"),
    "The Mol is a river. 日本語の文。 It is long 😀.",
    Passage(
        "Havel Dabri was born in Rufe. שלום עולם.", title="Havel Dabri", url="https://h.example"
    ),
    "Zandor lies on the Mol. It was founded in 1203.",
]
