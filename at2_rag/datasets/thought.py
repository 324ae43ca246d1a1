"""Rows of thought-attribution data sets as examples (paper, appendix A.3.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from at2_rag.datasets.example import TrainingExample
from at2_rag.datasets.rows import Row
from at2_rag.documents.passages import Passage
from at2_rag.errors import InputError
from at2_rag.prompt.template import CONTEXT, PromptTemplate

#: A passage and a question with its options (paper, appendix A.3.2, AGIEval).
PASSAGE_QUESTION = PromptTemplate("Passage: {passages}\n\nQuestion: {question}")

_WRITTEN_OUT = re.compile(r"Passage: (.*)\nQuestion: (.*?)(?:\nAnswer:\s*)?", re.DOTALL)


@dataclass(frozen=True)
class ThoughtExample:
    """Something to think about, with a passage or without.

    The sources of thought attribution are the model's own thoughts, so a passage is only part of
    the prompt, and there may be none. That is why this is no :class:`TrainingExample`, whose
    sources lie in its passages.

    Attributes:
        id: A name that is unique among the examples of one data set.
        question: The question, with its options if it has some.
        passage: What the question is about; ``None`` for a question by itself.
        template: How passage and question become one message; unused without a passage.
    """

    id: str
    question: str
    passage: Passage | None = None
    template: PromptTemplate = CONTEXT

    @property
    def prompt(self) -> str:
        """The user's message: by the template, or the question itself without a passage."""
        if self.passage is None:
            return self.question
        return self.template.render(self.question, [self.passage], [0])[0]

    @property
    def training_example(self) -> TrainingExample:
        """The same prompt, for a model whose thoughts are sources; so is the passage, if any."""
        if self.passage is None:
            return TrainingExample(self.id, self.question, ())
        return TrainingExample(self.id, self.question, (self.passage,), prompt=self.template)


def parse_agieval(row: Row) -> ThoughtExample | None:
    """Ask a multiple-choice question, about a passage if there is one.

    Returns:
        The example; ``None`` for a question without options, which AGIEval has as well.
    """
    question = row.text("question")
    options = [] if row.fields.get("options") is None else row.texts("options")
    if not options or not question.strip():
        return None
    text = "\n".join((question, *options))
    passage = Passage(row.optional_text("passage"))
    if passage.is_empty:
        return ThoughtExample(row.id(), text)
    return ThoughtExample(row.id(), text, passage, PASSAGE_QUESTION)


def parse_drop(row: Row) -> ThoughtExample | None:
    """Ask a question that takes counting or comparing what a passage says.

    Rows have ``passage`` and ``question``, as on the hub, or one written-out ``context``:
    ``Passage: …``, ``Question: …`` and ``Answer:`` on lines of their own.
    """
    if "passage" not in row.fields and "context" in row.fields:
        text, question = _split_written_out(row.text("context"))
    else:
        text, question = row.text("passage"), row.text("question")
    passage = Passage(text)
    if passage.is_empty or not question.strip():
        return None
    return ThoughtExample(row.id("query_id"), question, passage, CONTEXT)


def parse_global_opinions(row: Row) -> ThoughtExample | None:
    """Ask an opinion question, just as it is; its options are not shown."""
    question = row.text("question")
    return ThoughtExample(row.id(), question) if question.strip() else None


def _split_written_out(text: str) -> tuple[str, str]:
    found = _WRITTEN_OUT.fullmatch(text)
    if found is None:
        raise InputError(
            f"'context' begins with {text[:40]!r}; expected 'Passage: …', 'Question: …' and "
            "'Answer:' on lines of their own."
        )
    return found[1], found[2]
