"""An answer's page as it is written: what it carries, and which answers may share one."""

import json
import re
from dataclasses import replace
from html import escape

import pytest
from support.zandor import PASSAGES, QUESTION

from at2_rag import Answer, Passage
from at2_rag.answer.page_passages import title_end
from at2_rag.errors import InputError

SAID = "Zandor lies on the Mol. It was founded in 1203."


@pytest.fixture(scope="module")
def answer(demo_reader):
    return demo_reader.attribute(QUESTION, PASSAGES, SAID)


def data_of(html):
    return json.loads(re.search(r'id="data">(.*?)</script>', html)[1])


def card_of(html, index):
    """Return the HTML of a passage."""
    return re.search(rf'<details class="passage" id="p-{index}".*?</details>', html, re.DOTALL)[0]


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
            (number, found.sources[int(source)].place) for source, number in told["cited"].items()
        }
        assert cited == {
            (c.number, place)
            for c in statement.citations
            for place in (c.place, *(copy.place for copy in c.also_in))
        }


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


def test_a_title_is_shown_once_unless_it_is_cited(demo_reader):
    text = "# Zandor\n\nZandor lies on the Mol. It was founded in 1203."
    passages = [Passage(text, title="Zandor"), *PASSAGES[1:]]
    answer = demo_reader.attribute(QUESTION, passages, SAID)
    (source,) = (s for s in answer.attribution.sources if s.place[:2] == (0, 0))
    card = card_of(answer.to_html(), 0)
    assert card.count("Zandor</") == 1
    assert ">Zandor lies on the Mol.<" in card
    place = replace(
        answer.citations[0], passage_index=0, source_start=0, source_end=source.end,
        text=source.text,
    )  # fmt: skip
    cited = replace(answer.statements[0], citations=(place,))
    card = card_of(replace(answer, statements=(cited,)).to_html(), 0)
    assert card.count("Zandor</") == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Mill\n\nIt stands.", "It stands."),
        ("## Mill ##\nIt stands.", "It stands."),
        ("Mill\n====\n\nIt stands.", "It stands."),
        ("The  mill\nIt stands.", "The  mill\nIt stands."),
        ("Mill", "Mill"),
        ("Mill\n \n", "Mill\n \n"),
        ("Mill stands.\nIt does.", "Mill stands.\nIt does."),
    ],
)
def test_what_is_a_title(text, shown):
    passage = Passage(text, title="Mill")
    assert text[title_end(passage) :] == shown
    assert title_end(Passage(text)) == 0


def test_copies_are_numbered_and_named(demo_reader):
    passages = [*PASSAGES, Passage(f"{PASSAGES[0].text} And more.", title="Again")]
    answer = demo_reader.attribute(QUESTION, passages, SAID)
    citation = next(c for c in answer.citations if c.also_in)
    html = answer.to_html()
    assert html.count(f'class="back" href="#a-0" data-m="0" data-n="{citation.number}"') >= 2
    assert escape(answer.elsewhere(citation)[0]) in html
    cited = data_of(html)["methods"][0]["answer"]["statements"][0]["cited"]
    places = {
        answer.attribution.sources[int(source)].place
        for source, number in cited.items()
        if number == citation.number
    }
    assert places == {citation.place, *(copy.place for copy in citation.also_in)}


def test_shares_of_what_supports_nothing_are_said_to_be_none(answer):
    remark = 'class="remark"'
    unsupported = [replace(s, citations=(), supported=False) for s in answer.statements]
    assert remark not in answer.to_html()
    some = replace(answer, statements=(answer.statements[0], unsupported[1]))
    assert (remark in some.to_html()) == (some.statements[0].supported is False)
    none = replace(answer, statements=tuple(unsupported))
    assert "tell where the model looked" in none.to_html()
