"""get_prompts and update_prompts: what is shown is what the model reads."""

import pytest
from llama_index.core.prompts import (
    ChatMessage,
    ChatPromptTemplate,
    PromptTemplate,
    RichPromptTemplate,
)
from llama_index.postprocessor.at2 import AT2CitationQueryEngine, AT2Synthesizer
from llama_index.postprocessor.at2.prompts import ReaderPrompt
from support.nodes import nodes_of, scored

import at2_rag
from at2_rag.prompt.maker import PromptMaker
from at2_rag.prompt.template import NAMED

KEY = "text_qa_template"


@pytest.fixture
def prompts_read(monkeypatch):
    """The prompts that really reach the model."""
    read = []
    make = PromptMaker.make

    def spy(self, *arguments):
        prompt = make(self, *arguments)
        read.append(prompt.text)
        return prompt

    monkeypatch.setattr(PromptMaker, "make", spy)
    return read


def test_the_default_is_the_readers(reader):
    prompts = AT2Synthesizer(reader).get_prompts()
    assert list(prompts) == [KEY]
    shown = at2_rag.MULTI_PASSAGE.message.format(passages="P", question="Q")
    assert prompts[KEY].format(context_str="P", query_str="Q") == shown
    named = AT2Synthesizer(reader, options={"prompt": "from-passages"})
    shown = at2_rag.FROM_PASSAGES.message.format(passages="P", question="Q")
    assert named.get_prompts()[KEY].format(context_str="P", query_str="Q") == shown
    again = AT2Synthesizer.from_dict(named.to_dict(), reader)
    assert again.get_prompts()[KEY].format(context_str="P", query_str="Q") == shown


TEMPLATES = {
    "plain": PromptTemplate("Read this: {context_str}\nAnswer this: {query_str}"),
    "readers names": PromptTemplate("Read this: {passages}\nAnswer this: {question}"),
    "partial": PromptTemplate("{how} this: {context_str}\nAnswer this: {query_str}").partial_format(
        how="Read"
    ),
    "mapped": PromptTemplate(
        "Read this: {mine}\nAnswer this: {query_str}",
        template_var_mappings={"context_str": "mine"},
    ),
    "rich": RichPromptTemplate("Read this: {{ context_str }}\nAnswer this: {{ query_str }}"),
    "chat": ChatPromptTemplate.from_messages(
        [("user", "Read this: {context_str}\nAnswer this: {query_str}")]
    ),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_all_kinds_of_templates_become_the_message(name):
    prompt = ReaderPrompt(at2_rag.MULTI_PASSAGE).updated(TEMPLATES[name])
    assert prompt.message.message == "Read this: {passages}\nAnswer this: {question}"
    assert prompt.system is None


def test_updates_change_what_the_model_reads(reader, worlds, prompts_read):
    example = worlds[0]
    nodes = scored(nodes_of(example))
    synthesizer = AT2Synthesizer(reader, options={"max_new_tokens": 4})
    synthesizer.synthesize(example.question, nodes)
    template = ChatPromptTemplate(
        [
            ChatMessage(role="system", content="Be brief."),
            ChatMessage(role="user", content="{query_str} Look: {{}} {context_str}"),
        ]
    )
    synthesizer.update_prompts({KEY: template, "refine_template": TEMPLATES["plain"]})
    assert synthesizer.get_prompts()[KEY] == template
    synthesizer.synthesize(example.question, nodes)
    before, after = prompts_read
    assert "Passages:\n\n" in before
    assert "Be brief." not in before
    assert "Passages:\n\n" not in after
    assert "Be brief." in after
    first = nodes[0].node
    shown = f"{first.metadata['title']}\n{first.text}"
    assert f"{example.question} Look: {{{{}}}} {shown}" in after
    # It is not changed itself.
    assert reader.settings == at2_rag.Settings(max_new_tokens=48, prompt=at2_rag.MULTI_PASSAGE)


def test_the_engine_passes_updates_on(reader, worlds):
    from llama_index.core.retrievers import BaseRetriever

    class Nothing(BaseRetriever):
        def _retrieve(self, query_bundle):
            return []

    engine = AT2CitationQueryEngine.from_args(Nothing(), reader)
    key = f"response_synthesizer:{KEY}"
    assert list(engine.get_prompts()) == [key]
    engine.update_prompts({key: TEMPLATES["plain"]})
    assert engine.get_prompts()[key] == TEMPLATES["plain"]


@pytest.mark.parametrize("prompt", NAMED.values())
@pytest.mark.parametrize("system", [None, "Be brief."])
def test_back_and_forth_changes_nothing(prompt, system):
    own = ReaderPrompt(prompt, system)
    assert own.updated(own.as_template()) == own


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (PromptTemplate("No passages: {query_str}"), "context_str"),
        (PromptTemplate("{context_str} {context_str} {query_str}"), "once each"),
        ("{context_str} {query_str}", "is a str"),
        (
            ChatPromptTemplate.from_messages(
                [("user", "{context_str}"), ("assistant", "Yes?"), ("user", "{query_str}")]
            ),
            "'user', 'assistant', 'user'",
        ),
    ],
)
def test_templates_that_cannot_be(reader, template, message):
    synthesizer = AT2Synthesizer(reader)
    before = synthesizer.to_dict()
    with pytest.raises(ValueError, match=message):
        synthesizer.update_prompts({KEY: template})
    assert synthesizer.to_dict() == before
