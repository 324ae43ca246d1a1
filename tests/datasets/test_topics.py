"""What is asked about: every sentence, in an order that a seed gives."""

from itertools import islice

from at2_rag import Passage
from at2_rag.datasets.topics import WRITING, examples_of_writing, topics
from at2_rag.documents.sentences import sentence_spans

PASSAGES = [
    Passage("The old mill was built in 1790. It burned down in a summer storm.", title="Mill"),
    Passage("Ida Noor designed the tower of Brel. It has three hundred steps.", title="Tower"),
    Passage("The mill and the tower stand on the river. Too short.", title="River"),
    Passage("No.", title="Nothing"),
]


def test_every_sentence_is_asked_about_twice_and_then_it_ends():
    found = list(topics(PASSAGES, 0))
    assert [topic.number for topic in found] == list(range(len(found)))
    first = [(topic.about[0], topic.sentences[0]) for topic in found]
    texts = [(i, p.text[a:b]) for i, p in enumerate(PASSAGES) for a, b in sentence_spans(p.text)]
    assert sorted(first) == sorted(2 * [one for one in texts if len(one[1]) >= 30])


def test_passages_take_turns():
    assert {topic.about[0] for topic in islice(topics(PASSAGES, 1), 3)} == {0, 1, 2}


def test_a_seed_gives_the_same_and_another_seed_another_order():
    assert list(topics(PASSAGES, 3)) == list(topics(PASSAGES, 3))
    assert len({tuple(t.sentences for t in topics(PASSAGES, seed)) for seed in range(4)}) > 1


def test_pairs_are_of_passages_that_share_words():
    pairs = [topic for topic in topics(PASSAGES, 0) if len(topic.about) == 2]
    assert pairs
    for topic in pairs:
        assert len(set(topic.about)) == 2
        assert 3 not in topic.about
        for index, sentence in zip(topic.about, topic.sentences, strict=True):
            assert sentence in PASSAGES[index].text
    assert all(2 in topic.about for topic in pairs), "the river's passage names both others"


def test_a_year_asks_for_when_and_a_number_for_how_many():
    begins = {t.sentences[0]: t.begin for t in topics([PASSAGES[0]], 0)}
    assert begins["The old mill was built in 1790."] in ("When", "What")
    [told, _] = topics([Passage("In all there are 25 bells in the tower.")], 0)
    assert told.begin in ("How many", "What")


def test_what_the_model_is_shown_is_one_more_of_what_it_was_shown_before():
    topic = next(topics(PASSAGES, 0))
    text, _ = WRITING.render(topic.instruction, topic.shown(PASSAGES), range(len(topic.about)))
    asked = examples_of_writing()[0]["content"]
    assert text.split("\n")[0].split('"')[::2] == asked.split("\n")[0].split('"')[::2]
    assert f"Title: {PASSAGES[topic.about[0]].title}\nSentence: {topic.sentences[0]}" in text
