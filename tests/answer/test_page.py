"""An answer's page as it is written: what it carries, and which answers may share one."""

import json
import re

import pytest
from support.zandor import PASSAGES, QUESTION

from at2_rag import Answer
from at2_rag.errors import InputError

SAID = "Zandor lies on the Mol. It was founded in 1203."


@pytest.fixture(scope="module")
def answer(demo_reader):
    return demo_reader.attribute(QUESTION, PASSAGES, SAID)


def data_of(html):
    return json.loads(re.search(r'id="data">(.*?)</script>', html)[1])


def test_scores_and_citations_travel_with_it(answer):
    data = data_of(answer.to_html())
    (method,) = data["methods"]
    found = answer.attribution
    assert data["owners"] == [source.passage_index for source in found.sources]
    assert method["answer"]["table"]["shape"] == [len(found.token_spans), len(found.sources)]
    for told, statement in zip(method["answer"]["statements"], answer.statements, strict=True):
        tokens = found.tokens_touching(statement.start, statement.end)
        assert range(*told["tokens"]) == range(tokens[0], tokens[-1] + 1)
        cited = {
            number: found.sources[int(source)].place for source, number in told["cited"].items()
        }
        assert cited == {c.number: c.place for c in statement.citations}


def test_a_page_made_of_what_was_written_down_is_the_same(answer):
    again = Answer.from_dict(json.loads(json.dumps(answer.to_dict())))
    assert again.to_html() == answer.to_html()


def test_only_the_same_answer_can_stand_beside(answer, demo_reader):
    other = demo_reader.attribute(QUESTION, PASSAGES, "It lies on the Mol.")
    words = demo_reader.attribute(QUESTION, PASSAGES, SAID, source_unit="word")
    for wrong in (other, words):
        with pytest.raises(InputError, match="'b' has another text or other sources"):
            answer.to_html(beside={"b": wrong})


def test_answers_of_all_kinds_have_a_page(demo_reader, answer):
    assert "goes back to no" not in answer.to_html()
    nothing = demo_reader.attribute(QUESTION, PASSAGES, "I don't know.")
    assert "there is nothing to cite" in nothing.to_html()
    for unit in ("passage", "word", "token"):
        found = demo_reader.attribute(QUESTION, PASSAGES, SAID, source_unit=unit)
        assert len(data_of(found.to_html())["owners"]) == len(found.attribution.sources)


def test_conversations_are_shown_with_what_they_are(demo_reader):
    history = [{"role": "tool", "name": "search", "content": "Zandor lies on the Mol."}]
    answer = demo_reader.attribute(
        QUESTION, PASSAGES[:1], SAID, history=history, source_kinds=("passage", "tool")
    )
    html = answer.to_html()
    assert "search" in html
    assert "tool" in html
