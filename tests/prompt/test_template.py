"""Every passage keeps its exact characters, whatever they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.texts import PIECES, quick, readable_texts, texts

from at2_rag.documents.passages import Passage
from at2_rag.errors import InputError
from at2_rag.prompt.template import (
    CONTEXT,
    FINAL_ANSWER,
    FROM_PASSAGES,
    MULTI_PASSAGE,
    NAMED,
    PromptTemplate,
    as_template,
)

TEMPLATES = {
    "default": MULTI_PASSAGE,
    "from passages": FROM_PASSAGES,
    "context": CONTEXT,
    "final answer": FINAL_ANSWER,
    "question first": PromptTemplate("Q: {question}\n{passages}", "{text} ({title})"),
    "braces": PromptTemplate(
        "{{passages}} {0} {question} {text} {passage",
        "{title:{text}} {title}",
        "{{text}}",
        "{text}",
    ),
    "no separator": PromptTemplate("{question}{passages}", "{title}{text}", separator=""),
}

passages = st.builds(Passage, texts, st.none() | st.just("") | texts)
several = st.lists(passages, min_size=1, max_size=5)


def check_places(text, places, given_passages, shown):
    assert [place.index for place in places] == list(shown)
    end = 0
    for place in places:
        passage = given_passages[place.index]
        assert text[slice(*place.text)] == passage.text
        assert (passage.title or "") in text[slice(*place.block)]
        assert end <= place.block[0] <= place.text[0] <= place.text[1] <= place.block[1]
        end = place.block[1]


@pytest.mark.parametrize("name", TEMPLATES)
@quick
@given(question=texts, found=several, data=st.data())
def test_every_place_holds_its_passage(name, question, found, data):
    shown = data.draw(st.permutations(range(len(found))).map(lambda p: p[: len(found) // 2 + 1]))
    text, places = TEMPLATES[name].render(question, found, shown)
    check_places(text, places, found, shown)
    assert question in text


@pytest.mark.parametrize("piece", PIECES)
def test_the_same_passage_twice_with_the_question_inside_and_as_title(piece):
    passage = Passage(f"{piece}{piece}", piece)
    found = [passage, passage, Passage(piece)]
    text, places = MULTI_PASSAGE.render(piece, found, range(3))
    check_places(text, places, found, range(3))
    assert text == "Passages:\n\n" + f"{piece}\n{piece}{piece}\n\n" * 2 + (
        f"{piece}\n\nQuery: {piece}"
    )


@quick
@given(question=readable_texts, by=st.integers(0, 50))
def test_shifted_places_refer_to_a_text_with_something_in_front(question, by):
    found = [Passage("one", "two"), Passage(question)]
    text, places = CONTEXT.render(question, found, [1, 0])
    check_places("x" * by + text, [place.shifted(by) for place in places], found, [1, 0])


def test_what_the_built_in_templates_say():
    found = [Passage("It is long.", "Nile"), Passage("It is wide."), Passage("Wet.", "")]
    body = "Nile\nIt is long.\n\nIt is wide.\n\nWet."
    assert MULTI_PASSAGE.render("How long?", found, [0, 1, 2])[0] == (
        f"Passages:\n\n{body}\n\nQuery: How long?"
    )
    assert CONTEXT.render("How long?", found, [1])[0] == "Context: It is wide.\n\nQuery: How long?"
    text, _ = FINAL_ANSWER.render("How long?", found, [1])
    assert text.startswith("Passages:\n\nIt is wide.\n\nQuery: How long?\n\nPlease respond")


def test_templates_have_names_and_are_their_own():
    names = {"from-passages": FROM_PASSAGES, "published": MULTI_PASSAGE}
    names |= {"published-context": CONTEXT, "published-final-answer": FINAL_ANSWER}
    assert dict(NAMED) == names
    for name, template in names.items():
        assert as_template(name) is as_template(template) is template
    own = PromptTemplate("{question}? {passages}")
    assert as_template(own) is own


@pytest.mark.parametrize(
    ("prompt", "given"),
    [
        ("paper", "'paper'"),
        ("{passages}{question}", "'{passages}{question}'"),
        (None, "a NoneType"),
    ],
)
def test_what_is_no_template_is_refused_with_the_names_of_those_that_are(prompt, given):
    with pytest.raises(InputError, match=f"prompt is {given}; expected any of 'from-passages', "):
        as_template(prompt)


def test_only_the_fields_are_replaced():
    """Not even what differs from one in its brackets alone."""
    template = PromptTemplate("[question]{passages}{{question}}{text}", "{title:{text}{title}")
    text, places = template.render("{passages}", [Passage("{title}", "{text}")], [0])
    assert text == "[question]{title:{title}{text}{{passages}}{text}"
    assert text[slice(*places[0].text)] == "{title}"


def test_an_empty_passage_has_an_empty_place_and_does_not_move_the_others():
    found = [Passage(""), Passage("b"), Passage("", "t")]
    text, places = PromptTemplate("{passages}|{question}", separator="-").render(
        "q", found, [0, 1, 2]
    )
    assert text == "-b-t\n|q"
    check_places(text, places, found, [0, 1, 2])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"message": "{passages}"}, r"message holds \{question\} 0 times; expected it once"),
        ({"message": "{question}"}, r"message holds \{passages\} 0 times"),
        ({"message": "{passages}{question}{question}"}, r"\{question\} 2 times"),
        (
            {"message": "{passages }{question}"},
            r"\{passages\} 0 times.*'\{passages \}\{question\}'",
        ),
        ({"titled": "{text}"}, r"titled holds \{title\} 0 times"),
        ({"titled": "{title}"}, r"titled holds \{text\} 0 times"),
        ({"untitled": "{text}{text}"}, r"untitled holds \{text\} 2 times"),
        ({"untitled": ""}, r"untitled holds \{text\} 0 times"),
        ({"message": None}, "message is a NoneType; expected a string"),
        ({"separator": 2}, "separator is a int; expected a string"),
    ],
)
def test_templates_that_lose_or_repeat_something_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        PromptTemplate(**{"message": "{passages}{question}", **fields})
