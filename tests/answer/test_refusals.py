"""What says only that the answer is not there, and what says more."""

import json

import pytest
from support.real_data import real_data

from at2_rag import InputError, Settings
from at2_rag.answer.refusals import is_refusal
from at2_rag.worlds.schema import UNKNOWN

REFUSALS = (
    "I don't know.",
    "I do not know the answer.",
    "I don’t know who wrote it.",
    "**I don't know.**",
    "Sorry, I don't know.",
    "I'm sorry, but I don't know the answer to that question.",
    "Unfortunately, I don't have enough information to answer this question.",
    "I cannot answer this question based on the provided passages.",
    "I can't determine that from the context.",
    "I could not find the answer in the text.",
    "I am unable to answer the question.",
    "I'm not able to find that information.",
    "I have no information about this.",
    "I do not see any mention of her in the passages.",
    "Sorry, I can't help with that.",
    "I'm unable to assist you with this request.",
    "I'm not sure.",
    "I am not sure who that is.",
    "We do not know.",
    "The passages do not say.",
    "The passages do not say who founded it.",
    "They do not say.",
    "The passage does not mention his wife.",
    "The provided text doesn't specify a date.",
    "The text provided does not state where he was born.",
    "These documents do not tell.",
    "The context you provided does not contain any information about the river.",
    "However, the passages do not explicitly mention the year.",
    "The given passages do not provide enough details to answer.",
    "The information provided is not sufficient to answer the question.",
    "The passages contain no information on that.",
    "The text makes no mention of a treaty.",
    "None of the passages mention the author.",
    "None of the provided documents say so.",
    "No passage says when it was built.",
    "There is no mention of it in the passages.",
    "There is no information about the mayor.",
    "There isn't enough information to answer.",
    "There is not enough information in the text to tell.",
    "Not enough information.",
    "Insufficient information to answer.",
    "Not mentioned in the text.",
    "Not specified.",
    "Unknown.",
    "Final answer: unknown",
    "N/A",
    "No answer.",
    "Unanswerable",
    "Answer: Not stated in the passages.",
    "His birthplace is not mentioned in the provided text.",
    "It is not stated who built it.",
    "The date of the battle was not given in the passages.",
    "The answer is not provided.",
    "It cannot be determined from the passages.",
    "The answer cannot be determined.",
    "The year of his death can't be determined from the given context.",
    "This question cannot be answered based on the information provided.",
    "Based on the provided passages, it is impossible to determine who won from the text.",
    "According to the passages, it is not stated where she lived.",
    "Her name has not been mentioned in the document.",
    "The passages do not say [3].",
    UNKNOWN,
)

STATEMENTS = (
    "He said that he did not know the answer.",
    "She did not know the answer.",
    '"I don\'t know," he replied.',
    "I Don't Know How to Love Him is a song from 1970.",
    "I don't know how to fix this, but Ann does.",
    "She told them that the text does not say so.",
    "The passages do not say when he was born, but they say that he died in 1990.",
    "The cause of the disease is not known.",
    "It is not known who built the pyramid.",
    "There is no evidence that it causes harm.",
    "No information leaked.",
    "Unknown Pleasures is an album.",
    "The unknown soldier was buried in 1920.",
    "The document does not have a signature.",
    "The treaty does not mention slavery.",
    "The film does not say who did it.",
    "The amount cannot be determined by looking at the rise in global sea level alone.",
    "Although not mentioned by name in the film, Ridley Park is credited.",
    "The text of the law does not say who pays.",
    "He was not found in the house.",
    "You Don't Know My Name is a song.",
    "The answer is Paris.",
    "It is not given to all.",
    "The river is not in Bo.",
    "I cannot swim.",
    "We do not have any children.",
    "I have no brothers.",
    "The passages say that she was born in Bo.",
    "The passage does not end here.",
    "His wife was not mentioned in the will.",
    "No source of the river was found.",
    "The witness replied that he could not be identified from the document.",
    "The sources of the Nile were not known to the Romans.",
    "The information was not correct.",
    "The article does not apply to states.",
    "She is sorry.",
    "Not all of them came.",
    "It does not say much for him that he left.",
    "He wrote that it was not mentioned in the text.",
    "Nobody knows where she is.",
    "The question was answered in 1995.",
)


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals(text):
    assert is_refusal(text)


@pytest.mark.parametrize("text", STATEMENTS)
def test_statements(text):
    assert not is_refusal(text)


def test_a_caller_adds_words_of_their_own():
    assert not is_refusal("Keine Angabe.")
    assert is_refusal("Keine  Angabe!", ["keine angabe."])
    assert not is_refusal("Keine Angabe ist falsch.", ["keine angabe."])
    assert not is_refusal("...", ["", "!"])


@pytest.mark.parametrize("half", ["answerable", "unanswerable"])
def test_what_an_encyclopedia_says_is_no_refusal(half):
    lines = real_data(f"clapnq_dev_{half}_100.jsonl").read_text(encoding="utf-8").splitlines()
    passages = [passage for line in lines for passage in json.loads(line)["passages"]]
    sentences = {sentence for passage in passages for sentence in passage["sentences"]}
    assert len(sentences) > 500
    assert [sentence for sentence in sentences if is_refusal(sentence)] == []


def test_settings_take_them_in_a_sequence():
    settings = Settings(refusals=["Keine Angabe."])
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    for wrong in ("Keine Angabe.", [1], None):
        with pytest.raises(InputError, match=r"refusals is .*; expected statements in a tuple"):
            Settings(refusals=wrong)
