"""Where thoughts end and the response begins: markers, in texts and in tokens, of every kind."""

import copy
from functools import cache

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.texts import KINDS, LOSSLESS, PIECES, quick, texts, tokenizer_of
from tokenizers import AddedToken

from at2_rag import InputError, Passage, Settings, ThinkingMarkers
from at2_rag.answering.thoughts_in_tokens import ThoughtFollower, find_thoughts
from at2_rag.prompt.maker import PromptMaker
from at2_rag.prompt.request import Request
from at2_rag.prompt.thinking_markers import KNOWN_MARKERS, ThoughtFormat, thinking_markers

THINK, HARMONY = KNOWN_MARKERS[:2]
FINAL = ThinkingMarkers("", " Final answer: ")
#: What of the markers is one token each, where they are tokens at all.
TOKENS = (
    "<think>", "</think>", "<|channel|>", "<|message|>", "<|start|>", "[THINK]", "[/THINK]",
    "<|START_THINKING|>", "<|END_THINKING|>", "<|channel>", "<channel|>", "<thought>",
    "</thought>", "<seed:think>", "</seed:think>",
)  # fmt: skip
NEAR = ("<", "</", "</think", "think>", "[", "Final", " Final answer", "<|", "|>", "<|end|", "日本")
#: Texts with pieces of markers in them, and now and then whole ones.
near_texts = st.lists(st.sampled_from([*PIECES, *NEAR, *TOKENS[:4]]), max_size=6).map("".join)
some_texts = st.one_of(texts, near_texts)
markers_in_use = st.sampled_from([*KNOWN_MARKERS, FINAL])


def is_clear(markers, thoughts, opened):
    """Whether thoughts hold no marker themselves, nor one together with what follows them."""
    begin, end = markers.begin.strip(), markers.end.strip()
    begins = bool(begin) and f"{thoughts}{markers.end}".lstrip().startswith(begin)
    return f"{thoughts}{markers.end}".find(end) >= len(thoughts) and not (opened and begins)


# In texts


@quick
@given(markers=markers_in_use, thoughts=some_texts, response=some_texts, opened=st.booleans())
def test_what_is_put_together_is_found_again(markers, thoughts, response, opened):
    opened = opened or not markers.begin
    assume(is_clear(markers, thoughts, opened))
    form = ThoughtFormat(markers, opened)
    written = form.written(thoughts, response)
    places = form.place_in(written)
    if not thoughts and not opened:
        assert written == response
        assert places is None or response.lstrip().startswith(markers.begin.strip())
        return
    assert places.finished
    assert written[slice(*places.thoughts)].strip() == thoughts.strip()
    assert written[slice(*places.response)].strip() == response.strip()
    between = written[places.thoughts[1] : places.response[0]]
    assert between == markers.end.strip()


@quick
@given(markers=markers_in_use, thoughts=some_texts, opened=st.booleans(), data=st.data())
def test_thoughts_that_are_cut_off_are_all_thoughts(markers, thoughts, opened, data):
    opened = opened or not markers.begin
    assume(is_clear(markers, thoughts, opened))
    begin = "" if opened else markers.begin.strip()
    end = markers.end.strip()
    cut = data.draw(st.integers(0, len(end) - 1))
    written = f"{begin}{thoughts}{end[:cut]}"
    places = ThoughtFormat(markers, opened).place_in(written)
    assert not places.finished
    assert places.thoughts == (len(begin), len(written))
    assert places.response == (len(written), len(written))


@pytest.mark.parametrize("markers", KNOWN_MARKERS)
def test_what_does_not_begin_with_the_sign_has_no_thoughts(markers):
    form = ThoughtFormat(markers, opened=False)
    assert form.place_in(f"So: {form.written('a', 'b')}") is None
    assert form.place_in("It rained.") is None
    assert form.place_in("") is None
    assert form.place_in(form.begin[:-1]) is None


def test_a_model_may_repeat_the_sign_that_its_prompt_has():
    text = "\n<think>\nIt rains.\n</think>\n\nRain."
    places = ThoughtFormat(THINK, opened=True).place_in(text)
    assert text[slice(*places.thoughts)].strip() == "It rains."


@pytest.mark.parametrize(
    ("begin", "end", "message"),
    [("<think>", " \n", "is empty"), (None, "</think>", "two strings"), ("a", 1, "two strings")],
)
def test_unusable_markers(begin, end, message):
    with pytest.raises(InputError, match=message):
        ThinkingMarkers(begin, end)


@pytest.mark.parametrize("thinking", ["<think>", "none", ("<think>", "</think>"), False])
def test_unusable_settings(thinking):
    with pytest.raises(InputError, match="thinking is"):
        Settings(thinking=thinking)


# In tokens


@cache
def with_tokens(kind, form):
    """Return a tokenizer that has the markers as special tokens, as ordinary ones, or not at all.

    The first also knows tokens that look like the beginning of a marker, as some vocabularies do.
    """
    tokenizer = copy.deepcopy(tokenizer_of(kind))
    if form != "plain":
        special = form == "special"
        tokenizer.add_tokens([AddedToken(t, special=special, normalized=False) for t in TOKENS])
    return tokenizer


def raw(tokenizer, ids):
    return tokenizer.decode(
        list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
    )


def encoded(tokenizer, pieces, whole):
    """Return the ids of a text, as it is tokenized in one or as a model may write it."""
    parts = ["".join(pieces)] if whole else pieces
    return [id for part in parts for id in tokenizer(part, add_special_tokens=False)["input_ids"]]


FORMS = [(kind, form) for kind in KINDS for form in ("special", "ordinary")]
FORMS += [(kind, "plain") for kind in LOSSLESS]


@pytest.mark.parametrize(("kind", "form"), FORMS)
@settings(quick, max_examples=12)
@given(
    markers=markers_in_use,
    thoughts=some_texts,
    response=some_texts,
    opened=st.booleans(),
    whole=st.booleans(),
)
def test_tokens_of_thoughts_and_response(kind, form, markers, thoughts, response, opened, whole):
    tokenizer, opened = with_tokens(kind, form), opened or not markers.begin
    begin = "" if opened else markers.begin
    ids = encoded(tokenizer, [begin, thoughts, markers.end, response], whole)
    text = raw(tokenizer, ids)
    form = ThoughtFormat(markers, opened)
    inside = form.place_in(text)
    # Some tokenizers write no marker that is not a token of theirs.
    assume(inside is not None and inside.finished)
    places = find_thoughts(tokenizer, ids, form)
    assert places.finished
    (first, behind), (start, last) = places.thoughts, places.response
    assert 0 <= first <= behind < start <= last == len(ids)
    check_texts(tokenizer, ids, text, inside, places)
    # No token is lost that holds no piece of a marker.
    end = markers.end.strip()
    assert end in raw(tokenizer, ids[behind:start])
    # Decoders write this sign for bytes that are no character yet, so its end is never certain.
    assert end not in raw(tokenizer, ids[behind + 1 : start]) or "\ufffd" in text
    assert end not in raw(tokenizer, ids[behind : start - 1])
    check_steps(tokenizer, ids, form, places)


def check_texts(tokenizer, ids, text, inside, places):
    """Assert that tokens decode to the characters; those that share one with a marker are lost."""
    for chars, tokens in ((inside.thoughts, places.thoughts), (inside.response, places.response)):
        found = "".join(raw(tokenizer, ids[slice(*tokens)]).split())
        wanted = "".join(text[slice(*chars)].split())
        lost = len(wanted) - len(found)
        assert found in wanted
        edges = [ids[i] for i in (tokens[0] - 1, tokens[1]) if 0 <= i < len(ids)]
        assert lost <= max(len(raw(tokenizer, [id])) for id in edges) - 1 if lost else True


def check_steps(tokenizer, ids, form, places):
    """Assert what is told of each part while it is being written."""
    follower = ThoughtFollower(tokenizer, form)
    begun, ended = places.thoughts[0], places.response[0]
    for count in range(1, ended):
        found = follower.places(ids[:count])
        if count > begun and not follower.unclear:
            assert not found.finished
            assert found.thoughts[0] == begun
            assert found.thoughts[1] <= max(begun, places.thoughts[1])
    found = follower.places(ids[:ended])
    assert (found.finished, found.thoughts) == (True, places.thoughts)
    assert found.response == (ended, ended)


@pytest.mark.parametrize("form", ["special", "ordinary", "plain"])
@pytest.mark.parametrize("kind", LOSSLESS)
def test_markers_are_found_where_a_model_writes_them(kind, form):
    """The law above cannot be passed by finding nothing."""
    tokenizer = with_tokens(kind, form)
    for markers in (*KNOWN_MARKERS, FINAL):
        if kind == "prepending" and form != "plain" and "|channel" in markers.begin:
            continue  # writes a space behind each token of its own
        opened = not markers.begin
        pieces = [markers.begin, "It rains 日本語 a lot.", markers.end, "Yes 😀."]
        for whole in (False, True):
            ids = encoded(tokenizer, pieces, whole)
            places = find_thoughts(tokenizer, ids, ThoughtFormat(markers, opened))
            assert places.finished
            said = raw(tokenizer, ids[slice(*places.thoughts)]).strip()
            answered = raw(tokenizer, ids[slice(*places.response)]).strip()
            assert (said, answered) == ("It rains 日本語 a lot.", "Yes 😀.")


def test_the_first_token_of_thoughts_may_begin_with_white_space():
    """Models go on behind a prompt with " Zandor", which is one token."""
    tokenizer = tokenizer_of("llama")
    ids = encoded(tokenizer, [" It rains. Final answer: rain"], whole=True)
    places = find_thoughts(tokenizer, ids, ThoughtFormat(FINAL, opened=True))
    assert raw(tokenizer, ids[slice(*places.thoughts)]) == " It rains."
    assert raw(tokenizer, ids[slice(*places.response)]) == " rain"


@pytest.mark.parametrize("kind", ["metaspace_bpe", "unigram", "prepending"])
def test_bytes_of_characters_that_are_no_tokens(kind):
    """Half of such a run has more characters than the whole."""
    tokenizer = with_tokens(kind, "ordinary")
    for length in range(1, 9):
        thoughts = "한" * length
        ids = encoded(tokenizer, ["<think>", thoughts, "</think>", "국"], whole=False)
        places = find_thoughts(tokenizer, ids, ThoughtFormat(THINK, opened=False))
        assert raw(tokenizer, ids[slice(*places.thoughts)]).strip() == thoughts
        assert raw(tokenizer, ids[slice(*places.response)]).strip() == "국"


def test_what_may_become_the_sign():
    tokenizer = tokenizer_of("llama")

    def begins(text):
        follower = ThoughtFollower(tokenizer, ThoughtFormat(THINK, opened=False))
        follower.places(encoded(tokenizer, [text], whole=True))
        return follower.unclear

    assert all(begins(text) for text in ("", "\n", "<", " <thi", "<think>", "<think>\n"))
    assert not any(begins(text) for text in ("It", "<thought", "think>", "<think> so"))


# Which model thinks


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
)
START = "{% if add_generation_prompt %}<|im_start|>assistant\n"
#: How chat templates of models that think end their prompts, and whether that begins the thoughts.
TEMPLATES = {
    "opens": (CHATML + START + "<think>\n{% endif %}", {}, THINK, True),
    "leaves it to the model": (
        CHATML + START + "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
        "{% endif %}", {}, THINK, False,
    ),
    "closes": (
        CHATML + START + "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
        "{% endif %}", {"enable_thinking": False}, THINK, False,
    ),
    "closes without opening": (CHATML + START + "</think>{% endif %}", {}, THINK, False),
    "opens with a budget": (
        CHATML + START + "<seed:think><seed:budget>{% endif %}", {},
        ThinkingMarkers("<seed:think>", "</seed:think>"), True,
    ),
    "closes at once": (
        CHATML + START + "<|START_THINKING|><|END_THINKING|>{% endif %}", {},
        ThinkingMarkers("<|START_THINKING|>", "<|END_THINKING|>"), False,
    ),
    "closes a channel": (
        CHATML + START + "<|channel>thought\n<channel|>{% endif %}", {},
        ThinkingMarkers("<|channel>thought\n", "<channel|>"), False,
    ),
    "channels": (
        CHATML + "{% if false %}<|start|>assistant<|channel|>analysis<|message|>{% endif %}"
        "<|start|>assistant", {}, HARMONY, False,
    ),
}  # fmt: skip

SAID = ("<think>", "</think>", "<think>\n", "a<think>b", "</think><think>", "So: <seed:think>")


def maker_with(template, question="Who?", passages=("It rained.",), history=(), **settings):
    tokenizer = copy.copy(tokenizer_of("swallowing"))  # <think> is a token, and not special
    tokenizer.chat_template = template
    found = tuple(map(Passage, passages))
    return PromptMaker.of(tokenizer, Request(question, found, history, Settings(**settings)))


def opened(maker):
    return maker.make(maker.request.readable).thought_format.opened


@pytest.mark.parametrize("name", TEMPLATES)
def test_markers_and_whether_the_prompt_opens_are_read_from_the_template(name):
    template, options, markers, opens = TEMPLATES[name]
    maker = maker_with(template, template_options=options)
    assert maker.markers == markers
    assert opened(maker) is opens
    several = copy.copy(maker.tokenizer)
    several.chat_template = {"default": template, "rag": "{{ messages }}"}
    assert thinking_markers(several, "auto") == markers
    assert thinking_markers(maker.tokenizer, None) is None
    assert thinking_markers(maker.tokenizer, FINAL) == FINAL


@pytest.mark.parametrize("markers", KNOWN_MARKERS)
def test_markers_among_a_tokenizers_own_tokens(markers):
    for special in (False, True):
        tokenizer = copy.deepcopy(tokenizer_of("llama"))
        assert thinking_markers(tokenizer, "auto") is None
        # Of those that begin with several tokens, the template tells.
        tokenizer.add_tokens([AddedToken(markers.begin.strip(), special=special)])
        assert thinking_markers(tokenizer, "auto") == markers


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "swallowing"])
def test_ordinary_models_do_not_think(kind):
    assert thinking_markers(tokenizer_of(kind), "auto") is None


@pytest.mark.parametrize("name", TEMPLATES)
@settings(quick, max_examples=8)
@given(
    question=st.sampled_from([f"Who? {said}" for said in SAID]) | texts.map(lambda t: f"Q {t}"),
    passages=st.lists(st.sampled_from(SAID) | texts, min_size=1, max_size=3),
    said=st.sampled_from(SAID),
)
def test_what_others_say_opens_and_closes_nothing(name, question, passages, said):
    template, options, _, opens = TEMPLATES[name]
    chosen = {"template_options": options, "system": said}
    passages = [f"P {passage}" for passage in passages]
    talk = [{"role": "user", "content": said}, {"role": "assistant", "content": f"b {said}"}]
    assert opened(maker_with(template, question, passages, talk, **chosen)) is opens
    tool = [{"role": "user", "content": question}, {"role": "tool", "content": f"It says {said}"}]
    for kinds in (("passage",), ("passage", "tool")):
        maker = maker_with(template, question, passages, tool, source_kinds=kinds, **chosen)
        assert maker.make([0]).text.count(f"It says {said}") == 1
        assert opened(maker) is opens


def test_a_system_message_can_turn_thinking_on_also_beside_a_tools_result():
    template = (
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}<assistant>\n"
        "{% if messages[0]['content'] == 'think' %}<think>\n{% endif %}"
    )
    for word, opens in (("think", True), ("don't", False)):
        history = [
            {"role": "system", "content": word},
            {"role": "user", "content": "Who?"},
            {"role": "tool", "content": "<think>"},
        ]
        assert opened(maker_with(template, history=history)) is opens


def test_plain_prompts_open_nothing():
    maker = maker_with(None, "Who? <think>", ["It rained. <think>"])
    maker.tokenizer.add_tokens(["<think>"])
    maker = PromptMaker.of(maker.tokenizer, maker.request)
    assert maker.markers == THINK
    assert not opened(maker)
