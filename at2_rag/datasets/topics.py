"""What questions are to be written about: sentences of single passages, and of two alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from at2_rag.documents.bm25 import order_by_bm25
from at2_rag.documents.conversation import Message
from at2_rag.documents.passages import Passage
from at2_rag.documents.sentences import sentence_spans
from at2_rag.prompt.template import PromptTemplate

#: Shortest and longest sentence that is asked about, in characters: headings say too little, and a
#: small model loses its way in what is longer.
_LENGTHS = (30, 400)
#: Every so many topics take two passages.
_PAIR_EVERY = 4
#: How often each sentence is asked about, each time with another word to begin with.
_ROUNDS = 2

_YEAR = re.compile(r"\b1\d{3}\b|\b20\d{2}\b")
_NAME = re.compile(r"(?<=\w\s)[^\W\d_a-z]\w+")

#: How a question is asked for; a question is one about the sentence that is shown with a title.
WRITING = PromptTemplate(
    "{question}\n\n{passages}",
    titled="Title: {title}\nSentence: {text}",
    untitled="Sentence: {text}",
)

#: How others were written: word to begin with, title, sentence, question.
_SHOTS = (
    (
        "When",
        "Harbour Bridge",
        "It was opened in 1932 after eight years of work.",
        "When was the Harbour Bridge opened?",
    ),
    (
        "Who",
        "Maria Olsen",
        "At nineteen she wrote her first novel, The Grey Coast.",
        "Who wrote the novel The Grey Coast?",
    ),
    (
        "How many",
        "Kidney",
        "Blood is filtered there by roughly a million small nephrons.",
        "How many nephrons does a kidney have?",
    ),
    (
        "Why",
        "Red kite",
        "It had died out in England because farmers hunted and poisoned it.",
        "Why did the red kite die out in England?",
    ),
)


@dataclass(frozen=True)
class Topic:
    """What one question is to be about.

    Attributes:
        number: Place in the order of topics, from 0.
        about: Indices of the passage, or of the two, that the question is about.
        sentences: A sentence of each of these passages, to be asked about.
        begin: Word that the question is to begin with.
    """

    number: int
    about: tuple[int, ...]
    sentences: tuple[str, ...]
    begin: str

    @property
    def instruction(self) -> str:
        """What the model is told to do."""
        return instruction(self.begin, len(self.about))

    def shown(self, passages: Sequence[Passage]) -> tuple[Passage, ...]:
        """Return the sentences with the titles of their passages, as the model sees them.

        Args:
            passages: The passages that :attr:`about` counts in.
        """
        pairs = zip(self.about, self.sentences, strict=True)
        return tuple(Passage(sentence, title=passages[index].title) for index, sentence in pairs)


def instruction(begin: str, count: int) -> str:
    """Return what a model is told, to write one question.

    Args:
        begin: Word that the question is to begin with.
        count: How many sentences are shown, 1 or 2.
    """
    answers = "that this sentence answers" if count == 1 else "that takes both sentences to answer"
    return f'Write a question {answers}. Begin with "{begin}" and name what it is about.'


def examples_of_writing() -> tuple[Message, ...]:
    """Return a short chat in which questions are written, for a model to go on with."""
    chat: list[Message] = []
    for begin, title, sentence, question in _SHOTS:
        asked, _ = WRITING.render(instruction(begin, 1), [Passage(sentence, title=title)], [0])
        chat += [{"role": "user", "content": asked}, {"role": "assistant", "content": question}]
    return tuple(chat)


def topics(passages: Sequence[Passage], seed: int) -> Iterator[Topic]:
    """Yield what to ask about, each passage in turn, until every sentence was asked about twice.

    Args:
        passages: The passages to ask about.
        seed: Which order passages, sentences and words come in; the same seed gives the same one.
    """
    rng = Random(f"at2-topics-{seed}")
    sentences = [_sentences(passage) for passage in passages]
    number = 0
    for used in range(_ROUNDS):
        order = [rng.sample(found, len(found)) for found in sentences]
        for place in range(max(map(len, order), default=0)):
            waiting = [index for index, found in enumerate(order) if place < len(found)]
            for index in rng.sample(waiting, len(waiting)):
                about: tuple[int, ...] = (index,)
                said: tuple[str, ...] = (order[index][place],)
                if number % _PAIR_EVERY == _PAIR_EVERY - 1:
                    about, said = _paired(passages, sentences, index, said[0], rng)
                words = _beginnings(said[0])
                yield Topic(number, about, said, words[(rng.randrange(2) + used) % len(words)])
                number += 1


def _sentences(passage: Passage) -> list[str]:
    """Return the sentences of a passage that something can be asked about, in one line each."""
    found = [" ".join(passage.text[a:b].split()) for a, b in sentence_spans(passage.text)]
    return [text for text in found if _LENGTHS[0] <= len(text) <= _LENGTHS[1]]


def _paired(
    passages: Sequence[Passage],
    sentences: Sequence[Sequence[str]],
    index: int,
    said: str,
    rng: Random,
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return a passage and the one most like it, with a sentence of each; itself if none is."""
    others = [i for i, found in enumerate(sentences) if found and i != index]
    if not others:
        return (index,), (said,)
    best = others[order_by_bm25(passages[index].text, [passages[i] for i in others])[0]]
    return (index, best), (said, rng.choice(sentences[best]))


def _beginnings(sentence: str) -> tuple[str, ...]:
    """Return words that a question about a sentence may begin with, the likeliest first."""
    if _YEAR.search(sentence):
        return "When", "What"
    if any(map(str.isdigit, sentence)):
        return "How many", "What"
    return ("Who", "What") if _NAME.search(sentence) else ("What", "How")
