"""What must hold of every answer, whatever the model wrote."""

import copy
import json

import torch
from support.comparing import PASSES, STEP

from at2_rag import Answer


def check_answer(answer, passages):
    """Assert every invariant of an answer about the passages that the caller passed."""
    texts = [p if isinstance(p, str) else p.text for p in passages]
    assert [p.text for p in answer.passages] == texts
    check_statements(answer, texts)
    check_numbers(answer)
    check_scores(answer, texts)
    assert Answer.from_dict(json.loads(json.dumps(answer.to_dict()))) == answer
    assert set(answer.kept) & set(answer.dropped) == set()
    if answer.draft is not None:
        check_answer(answer.draft, passages)


def check_statements(answer, texts):
    for statement in answer.statements:
        assert answer.text[statement.start : statement.end] == statement.text
        scores = [c.score for c in statement.citations]
        assert scores == sorted(scores, reverse=True)
        for citation in statement.citations:
            assert (citation.start, citation.end) == (statement.start, statement.end)
            assert citation.passage_index in answer.kept
            text = texts[citation.passage_index]
            assert text[citation.source_start : citation.source_end] == citation.text
            passage = answer.passages[citation.passage_index]
            assert (citation.passage_id, citation.title) == (passage.id, passage.title)


def check_numbers(answer):
    used = [c.number for s in answer.statements for c in s.citations]
    first_use = list(dict.fromkeys(used))
    assert first_use == list(range(1, len(first_use) + 1))
    assert [c.number for c in answer.citations] == first_use
    places = {(c.passage_index, c.source_start, c.source_end) for c in answer.citations}
    assert len(places) == len(answer.citations)
    unmarked = answer.marked_text
    for mark in reversed(answer.marks):
        assert unmarked[mark.start : mark.end] == f"[{'^' * mark.carets}{mark.number}]"
        start, end = mark.start - len(mark.before), mark.end + len(mark.after)
        assert unmarked[start:end].startswith(mark.before)
        unmarked = unmarked[:start] + unmarked[end:]
    assert unmarked == answer.text
    marked = {(number, index) for number, *ones in numbered(answer) for index in ones}
    assert marked == {
        (c.number, index) for index, s in enumerate(answer.statements) for c in s.citations
    }


def numbered(answer):
    return [(mark.number, *mark.statements) for mark in answer.marks]


def check_scores(answer, texts):
    attribution = answer.attribution
    assert attribution.scores.shape == (len(attribution.sources), answer.answer_tokens)
    assert attribution.passage_scores.shape == (len(texts), answer.answer_tokens)
    for source in attribution.sources:
        assert source.passage_index in answer.kept
        assert texts[source.passage_index][source.start : source.end] == source.text
    assert [i for i, _ in answer.ranked_passages] == sorted(
        answer.kept, key=lambda i: -float(attribution.by_passage()[i])
    )
    hidden = [i for i in range(len(texts)) if i not in answer.kept]
    assert not attribution.passage_scores[hidden].any()
    # A passage's score is at least all of its sentences': the title is in it as well.
    if answer.estimator == "uniform" and answer.answer_tokens:
        by_source = torch.zeros(len(texts))
        for source, score in zip(attribution.sources, attribution.scores.mean(1), strict=True):
            by_source[source.passage_index] += score
        rounding = PASSES * STEP * float(by_source.max())
        assert (attribution.by_passage() >= by_source - rounding).all()


class Unchanged:
    """Asserts on leaving that nothing within the given objects was changed."""

    def __init__(self, *objects):
        self._objects = objects
        self._copies = copy.deepcopy(objects)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        assert self._objects == self._copies
