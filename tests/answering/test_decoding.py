"""Which characters of an answer each generated token stands for."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.texts import KINDS, quick, readable_texts, tokenizer_of

from at2_rag.answering.decoding import decode_answer, incremental_spans, prefix_spans
from at2_rag.prompt.tokens import special_ids

BYTE_LEVEL = ("llama", "qwen2", "phi3", "swallowing")


@pytest.fixture(params=KINDS)
def tokenizer(request):
    return tokenizer_of(request.param)


def for_all(strategy, check):
    quick(given(strategy)(check))()


def whole(tokenizer, ids):
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def any_ids(tokenizer):
    """Token ids in no order, with many of the bytes of longer characters."""
    high = [
        id
        for name, id in tokenizer.get_vocab().items()
        if name.startswith(("<0xE", "<0xF", "<0x8", "<0x9", "<0xA", "<0xB"))
        or (len(name) == 1 and not tokenizer.decode([id]).isprintable())
        or tokenizer.decode([id]) == "\ufffd"
    ]
    one = st.integers(0, len(tokenizer) - 1)
    some = one | st.sampled_from(high) if high else one
    return st.lists(some, max_size=14)


def encoded_texts(tokenizer):
    """Token ids of texts, some with special tokens among them."""
    ids = readable_texts.map(lambda text: tokenizer(text).input_ids)
    special = st.lists(st.sampled_from(sorted(special_ids(tokenizer))), max_size=2)
    return st.tuples(ids, special, st.integers(0, 30)).map(
        lambda drawn: drawn[0][: drawn[2]] + drawn[1] + drawn[0][drawn[2] :]
    )


def check_spans(tokenizer, ids):
    answer = decode_answer(tokenizer, ids)
    assert answer.text == whole(tokenizer, ids).strip()
    assert len(answer.spans) == len(ids)
    special = special_ids(tokenizer)
    last = (0, 0)
    for id, (start, end) in zip(ids, answer.spans, strict=True):
        assert 0 <= start <= end <= len(answer.text)
        assert start >= last[0]
        if id in special:
            assert start == end
        else:
            assert end >= last[1]
            last = (start, end)
    covered = {i for start, end in answer.spans for i in range(start, end)}
    assert covered == set(range(len(answer.text)))


def test_texts_are_covered_in_order(tokenizer):
    for_all(encoded_texts(tokenizer), lambda ids: check_spans(tokenizer, ids))


def test_nonsense_is_covered_in_order(tokenizer):
    for_all(any_ids(tokenizer), lambda ids: check_spans(tokenizer, ids))


@pytest.mark.parametrize("kind", BYTE_LEVEL)
def test_spans_are_those_of_the_bytes(kind):
    """Byte-level tokens tell their bytes, so that the right spans are known."""
    tokenizer = tokenizer_of(kind)

    def check(ids):
        ids = [id for id in ids if id not in special_ids(tokenizer)]
        text = whole(tokenizer, ids)
        if "\ufffd" in text:
            return
        answer = decode_answer(tokenizer, ids)
        shift = len(text) - len(text.lstrip())
        # Characters that each byte of the text belongs to.
        owners = [i for i, char in enumerate(text) for _ in char.encode()]
        position = 0
        for id, span in zip(ids, answer.spans, strict=True):
            size = len(byte_values(tokenizer, id))
            touched = owners[position : position + size]
            position += size
            expected = (touched[0] - shift, touched[-1] + 1 - shift)
            assert span == tuple(min(max(place, 0), len(answer.text)) for place in expected)
        assert position == len(owners)

    for_all(encoded_texts(tokenizer), check)


def byte_values(tokenizer, id):
    name = tokenizer.convert_ids_to_tokens(id)
    if id in tokenizer.added_tokens_decoder:
        return name.encode()
    return [BYTE_OF[char] for char in name]


def byte_alphabet():
    """Return the byte for each letter of byte-level vocabularies (GPT-2's table)."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    moved = {chr(256 + i): byte for i, byte in enumerate(hidden)}
    return {chr(byte): byte for byte in shown} | moved


BYTE_OF = byte_alphabet()


@pytest.mark.parametrize("kind", ["llama", "prepending", "metaspace_bpe"])
def test_every_byte_of_a_character_stands_for_it(kind):
    tokenizer = tokenizer_of(kind)
    for char in ("😀", "\ufffd"):
        ids = tokenizer(f"a{char}", add_special_tokens=False).input_ids
        spans = decode_answer(tokenizer, ids).spans
        inside = [span for span in spans if span == (1, 2)]
        assert len(inside) == len(char.encode())


def test_special_tokens_amid_a_character_stand_for_nothing():
    tokenizer = tokenizer_of("prepending")
    first, *rest = tokenizer("😀", add_special_tokens=False).input_ids[-4:]
    answer = decode_answer(tokenizer, [1, first, 2, *rest, 2])
    assert answer.text == "😀"
    assert answer.spans == ((0, 0), (0, 1), (0, 0), (0, 1), (0, 1), (0, 1), (0, 0))


def test_a_token_of_the_end_of_one_character_and_the_start_of_the_next_stands_for_both():
    tokenizer = tokenizer_of("llama")
    names = [name for name, byte in BYTE_OF.items() if byte in (0xE2, 0x82, 0xAC)]
    by_byte = {BYTE_OF[name]: tokenizer.convert_tokens_to_ids(name) for name in names}
    euro = [by_byte[0xE2], by_byte[0x82], by_byte[0xAC]]
    assert decode_answer(tokenizer, euro * 2).spans == ((0, 1),) * 3 + ((1, 2),) * 3
    # The vocabulary has no token that mixes them; reading "€€" as if it had, by its prefixes.
    texts = {1: "\ufffd", 2: "€\ufffd", 3: "€€"}
    spans = prefix_spans(lambda ids: texts[len(ids)], range(3), "€€")
    assert spans == [(0, 1), (0, 2), (1, 2)]


@pytest.mark.parametrize("ids", [[], [3], [3, 3]])
def test_an_answer_of_nothing(ids):
    answer = decode_answer(tokenizer_of("llama"), ids)
    assert answer.text == ""
    assert answer.spans == ((0, 0),) * len(ids)


def test_white_space_around_the_answer_is_left_out():
    tokenizer = tokenizer_of("llama")
    ids = tokenizer("\n the Nile \n").input_ids
    answer = decode_answer(tokenizer, ids)
    assert answer.text == "the Nile"
    assert answer.spans[0] == (0, 0)
    assert answer.spans[-1] == (8, 8)


def test_both_ways_find_the_same(tokenizer):
    """The fast way is right wherever it does not give up, unless bytes make no characters."""

    def check(ids):
        plain = [id for id in ids if id not in special_ids(tokenizer)]
        raw = whole(tokenizer, plain)
        fast = incremental_spans(partial(whole, tokenizer), plain, raw)
        if fast is not None and "\ufffd" not in raw:
            assert fast == prefix_spans(partial(whole, tokenizer), plain, raw)

    for_all(encoded_texts(tokenizer) | any_ids(tokenizer), check)


def test_the_slow_way_is_for_decoders_that_change_what_they_wrote(tokenizer):
    def check(ids):
        plain = [id for id in ids if id not in special_ids(tokenizer)]
        raw = whole(tokenizer, plain)
        stable = all(
            raw.startswith(whole(tokenizer, plain[:end]).rstrip("\ufffd"))
            for end in range(len(plain))
        )
        fast = incremental_spans(partial(whole, tokenizer), plain, raw)
        assert (fast is not None) or not stable

    for_all(encoded_texts(tokenizer), check)


def test_time_grows_with_the_length_of_the_answer():
    """Decodings are counted in tokens: a few for each token, not all before it."""
    tokenizer = Counting(tokenizer_of("prepending"))
    ids = tokenizer.inner("The river 😀 is long. " * 50, add_special_tokens=False).input_ids
    decode_answer(tokenizer, ids)
    assert tokenizer.decoded < 20 * len(ids)


class Counting:
    """A tokenizer that counts the tokens it decodes."""

    def __init__(self, inner):
        self.inner = inner
        self.decoded = 0

    def decode(self, ids, **options):
        self.decoded += len(ids)
        return self.inner.decode(ids, **options)

    @property
    def added_tokens_decoder(self):
        return self.inner.added_tokens_decoder
