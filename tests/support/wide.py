"""An answer from many passages, with made-up scores: as large as answers get."""

import torch

from at2_rag import Answer, Attribution, Passage, Settings, Statement
from at2_rag.answer.citing import citation_of
from at2_rag.documents.sentences import sentence_spans
from at2_rag.documents.sources import split_passage


def wide_answer(passages=200, statements=20, seed=0):
    """Return an answer whose statements each cite the two sources that score highest."""
    draw = torch.Generator().manual_seed(seed)
    given = [
        Passage(
            " ".join(f"Sentence {s} of passage {p} says this." for s in range(6)), title=f"P{p}"
        )
        for p in range(passages)
    ]
    sources = [s for i, p in enumerate(given) for s in split_passage(p, i, "sentence")]
    text = " ".join(f"Statement {s} says what it has to say." for s in range(statements))
    spans = sentence_spans(text)
    tokens = [(start, min(start + 4, len(text))) for start in range(0, len(text), 4)]
    scores = torch.rand(len(sources), len(tokens), generator=draw) ** 8
    owners = torch.tensor([source.passage_index for source in sources])
    by_passage = torch.zeros(passages, len(tokens)).index_add_(0, owners, scores)
    empty = torch.zeros(0, len(tokens))
    found = Attribution(
        tuple(sources), scores, by_passage, tuple(tokens), len(text), tuple(spans),
        torch.zeros(statements, len(tokens)), empty,
    )  # fmt: skip
    said, numbers = [], {}
    for span in spans:
        cited = []
        for source, score in found.top(2, span):
            number = numbers.setdefault(source.place, len(numbers) + 1)
            made = citation_of(source, given[source.passage_index], score, span)
            cited.append(type(made).from_dict({**made.to_dict(), "number": number}))
        said.append(Statement(text[slice(*span)], *span, tuple(cited), True))
    return Answer(
        question="What do they say?", text=text, passages=tuple(given), statements=tuple(said),
        attribution=found, kept=tuple(range(passages)), dropped=(), draft=None, truncated=False,
        prompt_tokens=9000, answer_tokens=len(tokens), model="made/up", estimator="linear",
        settings=Settings(),
    )  # fmt: skip
