"""A pretrained model that nobody trained an estimator for: what a user gets, as it comes."""

import json
import re
from dataclasses import replace

import pytest
import torch
from support.places import DATA
from support.real_models import real_model

from at2_rag import Reader
from at2_rag.cli.demo import read_articles
from at2_rag.estimators.probing.kept import probed_before
from at2_rag.estimators.probing.passes import encode_probe, see
from at2_rag.estimators.probing.questions import probes
from at2_rag.prompt.settings import Settings

pytestmark = pytest.mark.real_model

ARTICLES = read_articles()
QUESTIONS = [
    json.loads(line) for line in (DATA / "questions.jsonl").read_text(encoding="utf-8").splitlines()
]
#: True, and in none of the articles.
FOREIGN = "Edmund Hillary and Tenzing Norgay climbed Mount Everest in 1953."


def read_for(question):
    """Return the half of the articles that a question's own is in, and its own, as a number."""
    number = next(i for i, passage in enumerate(ARTICLES) if passage.id == question["article"])
    half = len(ARTICLES) // 2
    return ARTICLES[number // half * half :][:half], number % half


@pytest.fixture(scope="module")
def reader():
    return Reader(*real_model("smollm2-135m"))


def test_what_a_gguf_file_holds_is_the_same_as_a_folder(reader, tmp_path):
    """Also for probing, which is not done again."""
    reader.model.save_pretrained(tmp_path)
    reader.tokenizer.save_pretrained(tmp_path)
    again = Reader.from_pretrained(tmp_path, dtype=reader.model.dtype)
    messages = [{"role": "user", "content": "Where does the Danube rise? 日本語 <|im_end|>"}]
    ids, same = (
        each.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        for each in (reader, again)
    )
    assert ids == same
    tokens = torch.tensor([ids])
    with torch.inference_mode():
        assert torch.equal(again.model(tokens).logits, reader.model(tokens).logits)
    assert again.estimator.metadata == reader.estimator.metadata
    names = probed_before(str(tmp_path))["models"]
    assert names == [reader.model.config.name_or_path, str(tmp_path)]


def test_heads_that_probing_finds_put_the_right_sentence_first_in_fresh_probes(reader):
    assert reader.estimator.kind == "probed"
    weights, hits = reader.estimator.coefficients.flatten(), []
    for probe in probes(10, seed=1):
        for seen in see(reader.model, encode_probe(reader.tokenizer, probe, Settings())):
            if seen.origin == "stated":
                hits.append(bool(seen.needle[(weights @ seen.attention).argmax()]))
    assert len(hits) >= 8
    assert sum(hits) / len(hits) > 0.7


def cited(reader, question):
    """Tell whether the first that is cited is the sentence that the answer goes back to."""
    articles, own = read_for(question)
    answer = reader.attribute(question["question"], articles, question["answer"])
    first = next(iter(answer.statements[0].citations), None)
    return first is not None and (first.passage_index, [first.source_start, first.source_end]) == (
        own,
        question["gold"],
    )


def test_it_cites_what_was_said_where_average_attention_does_not(reader):
    average = reader.with_options(estimator="average")
    assert sum(cited(reader, question) for question in QUESTIONS[:10]) >= 9  # 10 when measured
    assert sum(cited(average, question) for question in QUESTIONS[:10]) <= 4  # 1


def test_what_the_articles_do_not_say_is_not_supported(reader):
    for question in QUESTIONS[:2]:
        articles, _ = read_for(question)
        [statement] = reader.attribute(
            question["question"], articles, question["answer"]
        ).statements
        assert statement.supported
        [foreign] = reader.attribute(question["question"], articles, FOREIGN).statements
        assert not foreign.supported
        assert foreign.citations == ()


@pytest.mark.parametrize("copies", [1, 3])
def test_copies_of_a_passage_keep_what_is_supported_and_cited(reader, copies):
    for question in QUESTIONS[:2]:
        articles, own = read_for(question)
        few = articles[max(0, own - 1) : own + 2]
        again = [*few, *[articles[own]] * copies]
        asked = question["question"], question["answer"]
        [once] = reader.attribute(asked[0], few, asked[1]).statements
        answer = reader.attribute(asked[0], [replace(p, id=None) for p in again], asked[1])
        [statement] = answer.statements
        assert statement.supported
        assert statement.citations[0].text == once.citations[0].text
        assert len(statement.citations[0].also_in) == copies


def test_streamed_equals_whole(reader):
    options = {"max_new_tokens": 24}
    question = QUESTIONS[0]["question"]
    *_, last = reader.stream(question, ARTICLES[:4], **options)
    whole = reader.answer(question, ARTICLES[:4], **options)
    assert last.text == whole.text
    assert [s.supported for s in last.statements] == [s.supported for s in whole.statements]
    # Attention is computed in float32 from bfloat16 queries and keys, whose steps are 2 ** -8.
    scale = float(whole.attribution.scores.max())
    torch.testing.assert_close(
        last.attribution.scores, whole.attribution.scores, rtol=0, atol=scale * 2**-8
    )


def test_a_changed_digit_in_a_quoted_sentence_is_found(reader):
    """Of one sentence with a year of each article, as it is and with its last digit changed."""
    wrongly, found, changed = 0, 0, 0
    for number, passage in enumerate(ARTICLES):
        year = re.search(r"[^.]*\b1[5-9]\d(\d)\b[^.]*\.", passage.text)
        if year is None:
            continue
        others = [passage, ARTICLES[number - 1]]
        wrong = str((int(year[1]) + 4) % 10)
        begin, right = year.start(), year[0].strip()
        text = passage.text
        altered = (text[begin : year.start(1)] + wrong + text[year.end(1) : year.end()]).strip()
        asked = f"What is told of {passage.title}?", others
        for answer in (right, altered):
            read = reader.attribute(*asked, answer, groundedness=True)
            words = [word for s in read.statements for word in s.ungrounded_words]
            if answer == right:
                wrongly += bool(words)
            else:
                changed += 1
                found += any(year[1] != word[-1:] == wrong for word in words)
    assert changed >= 6
    assert wrongly <= changed * 0.2
    assert found >= changed * 0.6


@pytest.mark.parametrize("behind", ["", 20 * "\n2026-11-30 12:01 worker 3: job done, 0 retries"])
def test_the_question_looks_at_the_article_that_it_is_about(reader, behind):
    """Before anything is answered; among half of the articles, also with a log behind it."""
    first = 0
    for question in QUESTIONS[:8]:
        articles, own = read_for(question)
        ranked = reader.rank(question["question"] + behind, articles, rank_by="question")
        first += own in [index for index, _ in ranked[:2]]
    assert first >= 7  # 8 when this was written
