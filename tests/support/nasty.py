"""Passages that are hard to cut and to count in, with the sentences they have, and questions."""

import json
from dataclasses import dataclass

from support.places import DATA

from at2_rag import Passage


@dataclass(frozen=True)
class Nasty:
    """A passage with known sentences.

    Attributes:
        title: Its title.
        marked: Its text, with a bar where a sentence ends.
    """

    title: str
    marked: str

    @property
    def text(self):
        return self.marked.replace("|", "")

    @property
    def pieces(self):
        """All that stands between two bars; joined, the text."""
        return self.marked.split("|")

    @property
    def sentences(self):
        """The pieces with a letter or digit in them, without the white space around them."""
        return [piece.strip() for piece in self.pieces if any(map(str.isalnum, piece))]

    @property
    def passage(self):
        return Passage(self.text, title=self.title)


FOUND = json.loads((DATA / "nasty.json").read_text(encoding="utf-8"))
NASTY = tuple(Nasty(each["title"], each["sentences"]) for each in FOUND["passages"])


def questions(count, passages=10):
    """Return questions as the hub has HotpotQA's, with so many passages each, others each time."""
    asked = FOUND["questions"]
    return [question(asked[index % len(asked)], index, passages) for index in range(count)]


def question(asked, index, passages):
    place = asked["passage"]
    shown = [NASTY[(place + 1 + 3 * index + k) % len(NASTY)] for k in range(passages - 1)]
    shown.insert(index % passages, NASTY[place])
    return {
        "id": f"nasty-{index}",
        "question": asked["question"],
        "answer": asked["answer"],
        "type": "bridge",
        "level": "hard",
        "supporting_facts": {"title": [NASTY[place].title], "sent_id": [0]},
        "context": {
            "title": [each.title for each in shown],
            "sentences": [each.pieces for each in shown],
        },
    }
