"""A pretrained model that nobody trained an estimator for: what a user gets, as it comes."""

import pytest
import torch
from support.real_models import real_model

from at2_rag import Passage, Reader
from at2_rag.estimators.probing.passes import encode_probe, see
from at2_rag.estimators.probing.questions import probes
from at2_rag.prompt.settings import Settings

#: Facts about real things, in words of this project's own.
ARTICLES = [
    Passage(
        "The Danube rises in the Black Forest in Germany. It flows through ten countries, more "
        "than any other river. It ends in the Black Sea.",
        title="Danube",
    ),
    Passage(
        "The octopus has three hearts. Two of them pump blood through the gills. Its blood is "
        "blue, since copper carries the oxygen in it.",
        title="Octopus",
    ),
    Passage(
        "The zip fastener was made practical by Gideon Sundback in 1913. He was an engineer who "
        "was born in Sweden. Boots were among the first things that were closed with it.",
        title="Zip fastener",
    ),
    Passage(
        "Reykjavik is the capital of Iceland. Most of its houses are heated with hot water from "
        "the ground. The name means bay of smoke.",
        title="Reykjavik",
    ),
]
#: Questions with an answer, and the sentence that it goes back to: passage, and a piece of it.
ASKED = [
    ("Where does the Danube rise?", "In the Black Forest.", (0, "Black Forest in Germany")),
    ("Where does the Danube end?", "It ends in the Black Sea.", (0, "ends in the Black Sea")),
    ("How many hearts does an octopus have?", "Three hearts.", (1, "three hearts")),
    ("Why is an octopus's blood blue?", "Copper carries the oxygen.", (1, "copper carries")),
    ("Who made the zip fastener practical?", "Gideon Sundback.", (2, "Gideon Sundback")),
    ("Where was its engineer born?", "He was born in Sweden.", (2, "born in Sweden")),
    ("What is the capital of Iceland?", "Reykjavik.", (3, "capital of Iceland")),
    ("How are houses heated?", "With hot water from the ground.", (3, "hot water")),
]
FOREIGN = "The bridge was painted green by Alma Vestergaard."


@pytest.fixture(scope="module")
def reader():
    return Reader(*real_model("smollm2-135m"))


def test_heads_that_probing_finds_put_the_right_sentence_first_in_fresh_probes(reader):
    assert reader.estimator.kind == "probed"
    weights, hits = reader.estimator.coefficients.flatten(), []
    for probe in probes(10, seed=1):
        for seen in see(reader.model, encode_probe(reader.tokenizer, probe, Settings())):
            if seen.origin == "stated":
                hits.append(bool(seen.needle[(weights @ seen.attention).argmax()]))
    assert len(hits) >= 8
    assert sum(hits) / len(hits) > 0.7


def found(reader):
    """Return in how many answers the first source is the sentence that the answer goes back to."""
    right = 0
    for question, said, (passage, piece) in ASKED:
        attribution = reader.attribute(question, ARTICLES, said).attribution
        [(source, _)] = attribution.top(1)
        right += source.passage_index == passage and piece in source.text
    return right


def test_it_cites_what_was_said_where_average_attention_does_not(reader):
    average = reader.with_options(estimator="average")
    assert found(reader) >= 7 > found(average)


def test_what_the_passages_do_not_say_is_not_supported(reader):
    for question, said, _ in ASKED[:4]:
        [statement] = reader.attribute(question, ARTICLES, said).statements
        assert statement.supported
        [foreign] = reader.attribute(question, ARTICLES, FOREIGN).statements
        assert not foreign.supported
        assert foreign.citations == ()


def test_streamed_equals_whole(reader):
    options = {"max_new_tokens": 24}
    *_, last = reader.stream(ASKED[0][0], ARTICLES, **options)
    whole = reader.answer(ASKED[0][0], ARTICLES, **options)
    assert last.text == whole.text
    assert [s.supported for s in last.statements] == [s.supported for s in whole.statements]
    # Attention is computed in float32 from bfloat16 queries and keys, whose steps are 2 ** -8.
    scale = float(whole.attribution.scores.max())
    torch.testing.assert_close(
        last.attribution.scores, whole.attribution.scores, rtol=0, atol=scale * 2**-8
    )
