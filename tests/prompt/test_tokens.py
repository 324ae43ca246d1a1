"""Text and tokens side by side, for tokenizers of every kind."""

import copy
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.texts import KINDS, LOSSLESS, SPECIAL_TEXTS, quick, readable_texts, texts, tokenizer_of
from transformers import PreTrainedTokenizer, PreTrainedTokenizerFast

from at2_rag.documents.passages import Passage
from at2_rag.errors import InputError
from at2_rag.prompt.maker import PromptMaker
from at2_rag.prompt.request import Request
from at2_rag.prompt.settings import Settings
from at2_rag.prompt.tokens import EncodedPrompt, EncodedText, encode, special_ids

BEFORE, AFTER = "<|user|>\nPassages: ", "<|end|>\n<|assistant|>\n"


@pytest.fixture(params=KINDS)
def tokenizer(request):
    return tokenizer_of(request.param)


@pytest.fixture(params=LOSSLESS)
def lossless(request):
    return tokenizer_of(request.param)


def for_all(tokenizer, check, *strategies):
    """Run ``check`` on generated texts; a fixture and ``given`` do not mix otherwise."""

    @quick
    @given(st.tuples(*strategies))
    def run(drawn):
        check(tokenizer, *drawn)

    run()


def prompt_of(tokenizer, passages, question="How long?", **options):
    found = tuple(Passage(text) for text in passages)
    maker = PromptMaker.of(tokenizer, Request(question, found, settings=Settings(**options)))
    return maker.make(range(len(found)))


def plain_ids(tokenizer, ids):
    return [id for id in ids if id not in special_ids(tokenizer)]


def test_token_ranges_hold_the_tokens_that_share_characters(tokenizer):
    def check(tokenizer, text, cuts):
        encoded = encode(tokenizer, text, [(0, len(text))], add_special_tokens=True)
        start, end = sorted(min(cut, len(text)) for cut in cuts)
        first, last = encoded.token_range(start, end)
        touching = [i for i, (a, b) in enumerate(encoded.offsets) if max(a, start) < min(b, end)]
        empty = {i for i, (a, b) in enumerate(encoded.offsets) if a == b}
        assert set(range(first, last)) - empty == set(touching)
        # Nothing else is in between or at the ends.
        assert not touching or (first, last) == (touching[0], touching[-1] + 1)

    for_all(tokenizer, check, texts, st.tuples(st.integers(0, 60), st.integers(0, 60)))


def test_offsets_never_decrease_and_stay_within_the_text(tokenizer):
    def check(tokenizer, text):
        encoded = encode(tokenizer, text, [(0, len(text))], add_special_tokens=True)
        assert len(encoded.ids) == len(encoded.offsets)
        for (a, b), (c, d) in pairwise(encoded.offsets):
            assert a <= c
            assert b <= d
        assert all(0 <= a <= b <= len(text) for a, b in encoded.offsets)

    for_all(tokenizer, check, texts)


def test_without_special_text_the_ids_are_the_tokenizers_own(tokenizer):
    def check(tokenizer, text, add):
        expected = tokenizer(text, add_special_tokens=add).input_ids
        if any(name in text for name in SPECIAL_TEXTS):
            return
        encoded = encode(tokenizer, text, [(0, len(text))], add_special_tokens=add)
        assert list(encoded.ids) == expected

    for_all(tokenizer, check, texts, st.booleans())


def test_special_text_outside_the_content_stays_special(tokenizer):
    text = f"{BEFORE}</s> <|end|> the Nile{AFTER}"
    encoded = encode(tokenizer, text, [(len(BEFORE), len(BEFORE))], add_special_tokens=False)
    assert list(encoded.ids) == tokenizer(text, add_special_tokens=False).input_ids


def test_special_text_between_contents_stays_special():
    tokenizer = tokenizer_of("llama")
    said = "the <|end|> Nile"
    text = f"<|user|>{said}<|end|><|user|>{said}<|end|>{said}"
    first, second = text.index(said), text.index(said, 20)
    contents = [(second, second + len(said)), (first, first + len(said)), (0, 0)]
    encoded = encode(tokenizer, text, contents, add_special_tokens=False)
    named = [i for i, id in enumerate(encoded.ids) if id in special_ids(tokenizer)]
    found = [text[slice(*encoded.offsets[i])] for i in named]
    assert found == ["<|user|>", "<|end|>", "<|user|>", "<|end|>", "<|end|>"]
    assert encoded.offsets[-1][1] == len(text)
    assert tokenizer.decode(encoded.ids, clean_up_tokenization_spaces=False) == text


def test_no_text_in_the_content_makes_a_special_token(lossless):
    def check(tokenizer, passage):
        text = BEFORE + passage + AFTER
        content = (len(BEFORE), len(BEFORE) + len(passage))
        encoded = encode(tokenizer, text, [content], add_special_tokens=False)
        first, last = encoded.token_range(*content)
        inside, special = encoded.ids[first:last], special_ids(tokenizer)
        assert special.isdisjoint(inside)
        # These two are one to tokenizers that write spaces this way.
        decoded = tokenizer.decode(inside, clean_up_tokenization_spaces=False)
        assert passage.replace("▁", " ").strip() in decoded.replace("▁", " ")
        # What the template itself says is what it was without the passage.
        around = [id for id in encoded.ids if id in special]
        empty = tokenizer(BEFORE + AFTER, add_special_tokens=False).input_ids
        assert around == [id for id in empty if id in special]

    for_all(lossless, check, readable_texts)


@pytest.mark.parametrize("kind", [kind for kind in LOSSLESS if kind != "unigram"])
def test_special_text_is_tokenized_as_if_it_were_not_special(kind):
    """As by the same tokenizer with its own setting for this, which all threads would share."""
    blind = copy.deepcopy(tokenizer_of(kind).backend_tokenizer)
    blind.encode_special_tokens = True

    def check(tokenizer, text):
        # The white space that special tokens swallow is not searched for added tokens again.
        if kind == "swallowing" and "\n\n" in text:
            return
        encoded = encode(tokenizer, text, [(0, len(text))], add_special_tokens=True)
        expected = blind.encode(text)
        assert list(encoded.ids) == expected.ids
        spans = [span for span in expected.offsets if span[0] < span[1]]
        assert [span for span in encoded.offsets if span[0] < span[1]] == spans

    mixed = st.lists(st.sampled_from(SPECIAL_TEXTS) | texts).map("".join)
    for_all(tokenizer_of(kind), check, mixed)


def test_a_model_that_knows_special_tokens_as_pieces_reads_them_in_parts():
    tokenizer = tokenizer_of("unigram")
    encoded = encode(tokenizer, "é</s>漢", [(0, 6)], add_special_tokens=False)
    names = tokenizer.convert_ids_to_tokens(list(encoded.ids))
    assert names == ["▁", "é", "<", "/", "s", ">", "漢"]
    assert encoded.offsets[2:] == ((1, 2), (2, 3), (3, 4), (4, 5), (5, 6))


@pytest.mark.parametrize("special", SPECIAL_TEXTS)
def test_special_text_in_passage_and_question_of_a_chat_prompt(tokenizer, special):
    passages = [f"The Nile {special} is long.", special, f"{special}{special} x"]
    prompt = prompt_of(tokenizer, passages, f"Why {special}?", system="Be brief.")
    plain = prompt_of(tokenizer, ["The Nile is long.", "y", "x"], "Why?", system="Be brief.")
    named = special_ids(tokenizer) - {tokenizer.unk_token_id}
    assert [id for id in prompt.ids if id in named] == [id for id in plain.ids if id in named]
    for place, passage in zip(prompt.places, passages, strict=True):
        assert prompt.text[slice(*place.text)] == passage
        first, last = prompt.token_range(*place.text)
        assert named.isdisjoint(prompt.ids[first:last])


def test_a_special_token_that_swallows_white_space_takes_none_of_a_passage():
    tokenizer = tokenizer_of("swallowing")
    text = "<|user|>\n  the Nile<|end|>\n<|assistant|>"
    content = (9, text.index("<|end|>"))
    encoded = encode(tokenizer, text, [content], add_special_tokens=False)
    first, last = encoded.token_range(*content)
    assert special_ids(tokenizer).isdisjoint(encoded.ids[first:last])
    assert list(encoded.ids) == tokenizer(text, add_special_tokens=False).input_ids
    # Nor does one at the end of a passage escape because it reaches over into the template.
    text = "<|user|>\nthe </s><|end|>\n\n<|end|>"
    encoded = encode(tokenizer, text, [(9, 24)], add_special_tokens=False)
    names = tokenizer.convert_ids_to_tokens(list(encoded.ids))
    assert names[:2] == ["<|user|>", "t"]
    assert names.index("<|end|>") == len(names) - 1


def test_added_tokens_that_are_not_special_are_left_alone():
    tokenizer = tokenizer_of("swallowing")
    text = "a<think>b</s>c\n\nd<think>"
    encoded = encode(tokenizer, text, [(0, len(text))], add_special_tokens=True)
    names = tokenizer.convert_ids_to_tokens(list(encoded.ids))
    assert names == [
        "a", "<think>", "b", "<", "/", "s", ">", "c", "\n\n", "d", "<think>",
    ]  # fmt: skip


def test_the_tokens_around_the_text_stay_where_they_are():
    tokenizer = tokenizer_of("metaspace_bpe")
    encoded = encode(tokenizer, "the</s>", [(0, 7)], add_special_tokens=True)
    assert (encoded.ids[0], encoded.ids[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    assert special_ids(tokenizer).isdisjoint(encoded.ids[1:-1])
    assert tokenizer.decode(encoded.ids[1:-1]) == "the</s>"
    assert encoded.token_range(0, 7) == (1, len(encoded.ids) - 1)


def test_what_the_tokenizer_does_not_know_stays_unknown():
    """The unknown token is special as well, but the text is none."""
    tokenizer = tokenizer_of("word_piece")
    text = "the Ж[SEP] river"
    encoded = encode(tokenizer, text, [(0, len(text))], add_special_tokens=False)
    names = tokenizer.convert_ids_to_tokens(list(encoded.ids))
    assert names[:2] == ["the", "[UNK]"]
    assert names[-3:] == ["riv", "##e", "##r"]
    assert "[SEP]" not in names
    assert text[slice(*encoded.offsets[1])] == "Ж"


def test_unknown_characters_before_the_content_part_no_word():
    tokenizer = tokenizer_of("end_of_word")
    encoded = encode(tokenizer, "aЖb <|end|>", [(4, 11)], add_special_tokens=False)
    names = tokenizer.convert_ids_to_tokens(list(encoded.ids))
    assert names[:3] == tokenizer.tokenize("aЖb") == ["a", "<unk>", "b</w>"]
    assert "<|end|>" not in names


def test_token_spans_cover_every_passage_and_come_once(tokenizer):
    def check(tokenizer, passages):
        prompt = prompt_of(tokenizer, passages)
        for place, passage in zip(prompt.places, passages, strict=True):
            spans = prompt.token_spans_within(place.text)
            assert len(spans) == len(set(spans))
            assert spans == sorted(spans)
            assert all(0 <= a < b <= len(passage) for a, b in spans)
            covered = {i for a, b in spans for i in range(a, b)}
            missing = [char for i, char in enumerate(passage) if i not in covered]
            assert all(char.isspace() or dropped(tokenizer, char) for char in missing)

    for_all(tokenizer, check, st.lists(texts, min_size=1, max_size=3))


def dropped(tokenizer, char):
    """Whether the tokenizer leaves a character out, as BERT's does with control characters."""
    return not tokenizer(char, add_special_tokens=False).input_ids


def test_tokens_that_share_a_character_come_once():
    prompt = prompt_of(tokenizer_of("llama"), ["a 😀!"])
    assert prompt.token_spans_within(prompt.places[0].text) == [(0, 1), (1, 2), (2, 3), (3, 4)]
    prompt = EncodedPrompt(
        "abcd", (1, 2, 3), ((0, 2), (2, 2), (2, 4)), places=(), content=(0, 4), prompt_length=4
    )
    assert prompt.token_spans_within((1, 4)) == [(0, 1), (1, 3)]
    assert prompt.token_spans_within((2, 2)) == []


def test_token_range_of_nothing_is_empty():
    encoded = EncodedText("abcd", (1, 2), ((0, 2), (2, 4)))
    assert encoded.token_range(2, 2) == encoded.token_range(3, 3) == (1, 1)
    assert encoded.token_range(4, 4) == (2, 2)
    assert EncodedText("", (), ()).token_range(0, 0) == (0, 0)


def test_the_tokenizer_is_not_changed(tokenizer):
    before = tokenizer.backend_tokenizer.to_str()
    encode(tokenizer, "the </s> Nile <|end|>", [(0, 21)], add_special_tokens=True)
    assert tokenizer.backend_tokenizer.to_str() == before
    assert tokenizer.backend_tokenizer.encode_special_tokens is False


class CharacterTokenizer(PreTrainedTokenizer):
    """One token a character, and no offsets."""

    @property
    def vocab_size(self):
        return 128

    def get_vocab(self):
        return {chr(i): i for i in range(128)}

    def _tokenize(self, text):
        return list(text)

    def _convert_token_to_id(self, token):
        return ord(token)

    def _convert_id_to_token(self, index):
        return chr(index)


def test_a_tokenizer_without_offsets_is_refused():
    with pytest.raises(InputError, match=r"CharacterTokenizer does not tell which.*fast tokenizer"):
        encode(CharacterTokenizer(), "abc", [(0, 3)], add_special_tokens=True)


def test_fast_tokenizers_that_cut_long_texts_do_not_here():
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=copy.deepcopy(tokenizer_of("llama").backend_tokenizer), model_max_length=4
    )
    tokenizer.backend_tokenizer.enable_truncation(4)
    tokenizer.backend_tokenizer.enable_padding(length=64)
    encoded = encode(tokenizer, "the Nile is long", [(0, 16)], add_special_tokens=True)
    assert encoded.offsets[0][0] == 0
    assert encoded.offsets[-1] == (encoded.offsets[-1][0], 16)
    assert len(encoded.ids) < 16
