"""The user's message goes through any chat template whole, to a known place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.texts import CHAT, PIECES, quick, texts, tokenizer_of

from at2_rag.documents.conversation import Conversation
from at2_rag.errors import InputError
from at2_rag.prompt.chat import render_chat, render_plain

LOOP = "{% for m in messages %}"
TEMPLATES = {
    "as it is": CHAT,
    "trims": LOOP + "[{{ m['role'] }}]{{ m['content'] | trim }}{% endfor %}",
    "upper case": LOOP + "{{ m['role'] }}: {{ m['content'] | upper }}\n{% endfor %}",
    "title case": LOOP + "{{ m['content'] | title }}\n{% endfor %}",
    "quotes": LOOP + "{{ m | tojson }}\n{% endfor %}",
    "escapes": LOOP + "{{ m['content'] | e }}\n{% endfor %}",
    "digits around": LOOP + "7000{{ m['content'] }}0007{% endfor %}",
    "cuts off thoughts": LOOP + "{{ m['content'].split('</think>')[-1] }}\n{% endfor %}",
    "a marker of ours": "70000000000000000" + LOOP + "{{ m['content'] }}{% endfor %}",
}


def with_template(template):
    tokenizer = tokenizer_of("end_of_word")
    tokenizer.chat_template = template
    return tokenizer


@pytest.fixture(autouse=True)
def _template_put_back():
    tokenizer = tokenizer_of("end_of_word")
    before = tokenizer.chat_template
    yield
    tokenizer.chat_template = before


def rendered(tokenizer, content, history=(), system=None):
    """Return the text and where the content begins in it."""
    found = render_chat(tokenizer, content, Conversation.about(content, history, system))
    return found.text, found.content[0]


def plain(content, history=(), system=None):
    found = render_plain(content, Conversation.about(content, history, system))
    return found.text, found.content[0]


messages = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": texts})
histories = st.lists(messages, max_size=3)


@pytest.mark.parametrize("name", TEMPLATES)
def test_content_stays_as_it_is(name):
    tokenizer = with_template(TEMPLATES[name])

    @quick
    @given(content=texts, history=histories, system=st.none() | texts)
    def check(content, history, system):
        text, offset = rendered(tokenizer, content, history, system)
        assert text[offset : offset + len(content)] == content
        # What is around does not depend on the content.
        other, same = rendered(tokenizer, "?", history, system)
        assert same == offset
        assert other == text[:offset] + "?" + text[offset + len(content) :]

    check()


@pytest.mark.parametrize("piece", PIECES)
def test_without_rewriting_the_prompt_is_the_template_itself(piece):
    tokenizer = with_template(CHAT)
    history = [{"role": "user", "content": piece}, {"role": "assistant", "content": "Yes."}]
    text, _ = rendered(tokenizer, piece, history, piece)
    chat = [
        {"role": "system", "content": piece},
        *history,
        {"role": "user", "content": piece},
    ]
    expected = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert text == expected


def test_any_marker_may_occur_in_history_and_system_and_content():
    tokenizer = with_template(CHAT)
    markers = [f"7{number:016b}" for number in range(4)]
    history = [{"role": "user", "content": " ".join(markers[:2]), "name": markers[3]}]
    text, offset = rendered(tokenizer, markers[0] + markers[2], history, markers[2])
    assert text[offset:].startswith(markers[0] + markers[2] + "<|end|>")
    assert text.startswith(f"<|system|>\n{markers[2]}<|end|>\n<|user|>\n{markers[0]} {markers[1]}")


REFUSES_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}" + CHAT
)
DROPS_SYSTEM = LOOP + (
    "{% if m['role'] != 'system' %}{{ m['role'] }}: {{ m['content'] }}\n{% endif %}{% endfor %}"
)


@pytest.mark.parametrize("template", [REFUSES_SYSTEM, DROPS_SYSTEM], ids=["refuses", "drops"])
def test_a_system_prompt_that_the_template_does_not_show_goes_before_the_first_question(template):
    tokenizer = with_template(template)
    greeting = {"role": "assistant", "content": "Hello."}
    earlier = [
        greeting,
        {"role": "user", "content": "Who?"},
        {"role": "assistant", "content": "I."},
    ]
    text, offset = rendered(tokenizer, "Why?", earlier, "Be brief.")
    assert text.count("Be brief.") == 1
    assert text.index("Hello.") < text.index("Be brief.\n\nWho?") < text.index("I.") < offset
    text, offset = rendered(tokenizer, "Why?", [greeting], "Be brief.")
    assert text[offset - 11 :].startswith("Be brief.\n\nWhy?")
    assert "Be brief." not in rendered(tokenizer, "Why?", earlier)[0]


#: As Gemma 3's: what the system says goes before the first question, and later there is none.
FIRST_ALONE = (
    "{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'] + '\n\n' %}"
    "{% set rest = messages[1:] %}{% else %}{% set first = '' %}{% set rest = messages %}"
    "{% endif %}"
    "{% for m in rest %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "<{{ m['role'] }}>{{ first if loop.first }}{{ m['content'] }}{% endfor %}"
)
SAYS = {"refuses": REFUSES_SYSTEM, "drops": DROPS_SYSTEM, "first alone": FIRST_ALONE, "any": CHAT}
TALK = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "I."}]


def told(text, role="system"):
    return {"role": role, "content": text}


@pytest.mark.parametrize("role", ["system", "developer"])
@pytest.mark.parametrize("name", SAYS)
def test_a_system_message_of_the_history_is_shown_as_the_system_prompt_is(name, role):
    tokenizer = with_template(SAYS[name])
    expected = rendered(tokenizer, "Why?", TALK, "Be brief.")
    found = rendered(tokenizer, "Why?", [told("Be brief.", role), *TALK])
    if role == "system":  # what is shown under another name may stay where it is
        assert found == expected
    assert found[0].count("Be brief.") == 1


@pytest.mark.parametrize("name", SAYS)
def test_system_messages_anywhere_come_before_what_the_user_says_next(name):
    tokenizer = with_template(SAYS[name])
    history = [told("Be kind."), *TALK, told("Be brief."), told(" "), told("")]
    text, offset = rendered(tokenizer, "Why?", history, "Be true.")
    places = [text.index(each) for each in ("Be true.", "Be kind.", "Who?", "I.", "Be brief.")]
    assert places == sorted(places)
    assert places[-1] < offset
    assert all(text.count(each) == 1 for each in ("Be true.", "Be kind.", "Be brief."))
    if name == "refuses":
        assert "Be true.\n\nBe kind.\n\nWho?" in text


@pytest.mark.parametrize("name", SAYS)
def test_no_system_message_is_lost_wherever_it_stands(name):
    tokenizer = with_template(SAYS[name])
    turn = st.tuples(texts, texts).map(
        lambda pair: [told(pair[0], "user"), told(pair[1], "assistant")]
    )
    instructions = st.lists(st.sampled_from(["Be 1.", "Be 2."]).map(told), max_size=2)
    talks = st.lists(st.tuples(instructions, turn), max_size=3)

    @quick
    @given(content=texts, talk=talks, last=instructions)
    def check(content, talk, last):
        history = [m for before, pair in talk for m in (*before, *pair)] + last
        text, offset = rendered(tokenizer, content, history)
        assert text[offset : offset + len(content)] == content
        for said in (m["content"] for m in history if m["role"] == "system"):
            assert said in text[:offset]

    check()


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (LOOP + "{{ m['role'] }}{% endfor %}", "shows the user's message 0 times"),
        (LOOP + "{{ m['content'] }}{{ m['content'] }}{% endfor %}", "2 times; expected once"),
        (LOOP + "{{ m['content'][:9] }}{% endfor %}", "0 times.*tokenizer.chat_template"),
        (LOOP + "{{ m['content'] | reverse }}{% endfor %}", "0 times"),
        (
            "{{ raise_exception('no chat') }}",
            r"refuses messages with the roles \['user'\]: no chat",
        ),
        (LOOP + "{{ m.tools.names }}{% endfor %}", "refuses .* no attribute 'tools'"),
    ],
)
@pytest.mark.parametrize("system", [None, "Be brief."])
def test_templates_that_lose_or_repeat_the_content_are_refused(template, message, system):
    with pytest.raises(InputError, match=message):
        rendered(with_template(template), "Why?", system=system)


@pytest.mark.parametrize("more", [{}, {"content": None}])
def test_a_call_without_a_word_is_no_word_to_templates_that_know_no_calls(more):
    call = {"id": "1", "type": "function", "function": {"name": "map", "arguments": {}}}
    history = [
        {"role": "user", "content": "Where?"},
        {"role": "assistant", "tool_calls": [call], **more},
        {"role": "tool", "content": "Here.", "tool_call_id": "1"},
    ]
    template = LOOP + "{{ '<' + m['role'] + '>' + m['content'] }}{% endfor %}"
    text, _ = rendered(with_template(template), "Why?", history)
    assert text == "<user>Where?<assistant><tool>Here.<user>Why?"


BAD_HISTORIES = [
    ("Hello", r"history\[0\] is 'H'; expected a mapping with role and content"),
    (None, "history is None; expected a list"),
    (iter([]), "history is <.*expected a list"),
    ({"role": "user", "content": "Hello"}, "history is {.*expected a list"),
    ([{"role": "user"}], r"history\[0\] is {'role': 'user'}"),
    ([{"role": "user", "content": "a"}, ["b"]], r"history\[1\] is \['b'\]"),
    ([{"role": "user", "content": None}], r"history\[0\]\['content'\] is a NoneType; .*string"),
    ([{"role": "user", "content": [{"type": "text"}]}], r"\['content'\] is a list"),
    ([{"role": 1, "content": "a"}], r"history\[0\]\['role'\] is a int"),
]


@pytest.mark.parametrize(("history", "message"), BAD_HISTORIES)
def test_malformed_history_is_refused(history, message):
    with pytest.raises(InputError, match=message):
        rendered(with_template(CHAT), "Why?", history)
    with pytest.raises(InputError, match=message):
        plain("Why?", history)


def test_nothing_passed_in_is_changed():
    history = [{"role": "user", "content": "a", "name": "b"}]
    rendered(with_template(REFUSES_SYSTEM), "Why?", history, "Be brief.")
    assert history == [{"role": "user", "content": "a", "name": "b"}]


@quick
@given(content=texts, history=histories, system=st.none() | texts)
def test_plain_prompts_hold_the_content_and_all_before_it(content, history, system):
    text, offset = plain(content, history, system)
    assert text[offset:] == f"{content}\n\nAnswer:"
    assert all(message["content"] in text[:offset] for message in history)
    assert (system or "") in text[:offset]


def test_what_a_plain_prompt_says():
    history = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Yes?"}]
    text, offset = plain("Why?", history, "Be brief.")
    assert text == "Be brief.\n\nUser: Hi.\n\nAssistant: Yes?\n\nWhy?\n\nAnswer:"
    assert offset == text.index("Why?")
    assert plain("Why?") == ("Why?\n\nAnswer:", 0)
