"""Input that cannot be used, or only in part: a clear error, and everything else kept."""

import pickle

import pytest
from at2_rag import ContextOverflowError, InputError
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    FunctionMessage,
    HumanMessage,
    ToolMessage,
    message_chunk_to_message,
)
from support.documents import as_documents
from support.laws import check_message

from langchain_at2 import AT2CitedAnswer, citations_of, references_text


class TestInput:
    @pytest.mark.parametrize(
        ("value", "says"),
        [
            ("Who?", "a str; expected a dict"),
            ({"context": []}, "expected 'question' or 'input'"),
            ({"input": "Who?"}, "exactly one of"),
            ({"question": "Who?"}, "exactly one of"),
            ({"question": "Who?", "context": "one text"}, "expected a list of Documents"),
            ({"question": "Who?", "context": ["text"]}, r"context\[0\] is a str"),
            ({"question": "Who?", "context": {"a": "b"}}, "a dict; expected a list of Documents"),
            ({"question": "Who?", "documents": None}, "exactly one of"),
        ],
    )
    def test_is_refused_with_what_was_expected(self, cited, value, says):
        with pytest.raises(InputError, match=says):
            cited.invoke(value)
        with pytest.raises(InputError, match=says):
            list(cited.stream(value))

    def test_a_message_is_a_question(self, cited, asked):
        told = {**asked, "question": HumanMessage(asked["question"])}
        assert cited.invoke(told) == cited.invoke(asked)

    @pytest.mark.parametrize("question", ["", "  ", None, 3])
    def test_without_a_question(self, cited, documents, question):
        with pytest.raises(InputError, match="expected text to answer"):
            cited.invoke({"question": question, "context": documents})
        with pytest.raises(InputError, match="expected text to answer"):
            cited.invoke({"input": question, "context": documents})

    @pytest.mark.parametrize(
        "history", [[FunctionMessage("42", name="f")], [AIMessage("")], 7, [("robot", "Hi")]]
    )
    def test_history_that_cannot_be_read(self, cited, asked, history):
        with pytest.raises(InputError, match="history"):
            cited.invoke({**asked, "history": history})

    def test_documents_without_ids_with_the_same_id_and_with_other_metadata(
        self, cited, asked, expected
    ):
        asked["context"][0].id = None
        asked["context"][1].id = asked["context"][2].id = "twice"
        asked["context"][3].metadata["lock"] = object()
        message = cited.invoke(asked)
        assert message.text == expected.text
        assert len(citations_of(message)) == len(citations_of(expected))
        check_message(message, asked["context"])
        pickle.dumps(message)

    def test_empty_documents_are_not_in_the_prompt(self, cited, asked, expected):
        empty = as_documents([type("Empty", (), {"text": "  \n", "title": "Nothing"})])[0]
        message = cited.invoke({**asked, "context": [empty, *asked["context"]]})
        assert message.text == expected.text
        assert message.usage_metadata == expected.usage_metadata
        assert 0 not in message.response_metadata["at2"]["kept"]
        check_message(message, [empty, *asked["context"]])

    def test_documents_in_any_iterable(self, cited, asked, expected):
        given = {**asked, "context": (document for document in asked["context"])}
        assert cited.invoke(given).text == expected.text

    @pytest.mark.parametrize("texts", [[], ["  \n"]])
    async def test_without_documents_a_message_says_so(self, cited, reader, asked, texts):
        value = {**asked, "context": [Document(text) for text in texts]}
        message = cited.invoke(value)
        assert message.text == cited.empty_response
        assert citations_of(message) == []
        assert references_text(message) == ""
        assert check_message(message, value["context"]) == message.text
        about = message.response_metadata["at2"]
        assert set(about) == set(cited.invoke(asked).response_metadata["at2"])
        assert message.usage_metadata["total_tokens"] == 0
        for chunks in (list(cited.stream(value)), [c async for c in cited.astream(value)]):
            assert message_chunk_to_message(sum(chunks[1:], chunks[0])) == message
        assert await cited.ainvoke(value) == message
        assert cited.invoke(value, empty_response="Nothing.").text == "Nothing."
        # As it is asked for.
        short = {"max_new_tokens": 4}
        alone = cited.invoke(value, reader_options={"on_empty": "answer", **short})
        assert alone.usage_metadata["output_tokens"] > 0
        assert citations_of(alone) == []
        by_reader = AT2CitedAnswer(reader=reader.with_options(on_empty="answer", **short))
        assert by_reader.invoke(value).text == alone.text
        with pytest.raises(InputError, match=r"No passages|are empty"):
            cited.invoke(value, reader_options={"on_empty": "error"})

    def test_without_documents_results_of_tools_are_read(self, cited, asked):
        history = [HumanMessage(asked["question"]), ToolMessage("It is red.", tool_call_id="1")]
        tools = {"source_kinds": ("passage", "tool"), "max_new_tokens": 4}
        value = {**asked, "context": [], "history": history}
        assert cited.invoke(value).text == cited.empty_response
        assert cited.invoke(value, reader_options=tools).usage_metadata["output_tokens"] > 0

    def test_more_documents_than_fit(self, cited, reader, asked):
        asked["context"] = asked["context"] * 14
        with pytest.raises(ContextOverflowError, match="tokens too long"):
            cited.invoke(asked)
        dropping = AT2CitedAnswer(reader=reader, reader_options={"on_overflow": "drop"})
        message = dropping.invoke(asked)
        about = message.response_metadata["at2"]
        assert about["dropped"] == list(range(len(about["kept"]), len(asked["context"])))
        assert about["dropped"]
        check_message(message, asked["context"])

    def test_more_documents_than_are_to_be_shown(self, reader, asked):
        few = AT2CitedAnswer(reader=reader, reader_options={"max_passages": 2})
        message = few.invoke(asked)
        about = message.response_metadata["at2"]
        assert len(about["kept"]) == 2
        assert sorted(about["kept"] + about["dropped"]) == list(range(len(asked["context"])))
        best = {**asked, "context": [asked["context"][index] for index in about["kept"]]}
        assert AT2CitedAnswer(reader=reader).invoke(best).text == message.text
        check_message(message, asked["context"])
