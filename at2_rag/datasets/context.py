"""Rows of context-attribution data sets as examples (paper, appendix A.3.1).

Every parser returns ``None`` for a row that the paper's filter leaves out, and for one without a
question or without anything to read.
"""

from __future__ import annotations

from collections.abc import Sequence

from at2_rag.datasets.articles import paragraphs_and_headers
from at2_rag.datasets.example import TrainingExample
from at2_rag.datasets.rows import Row
from at2_rag.documents.passages import Passage
from at2_rag.errors import InputError
from at2_rag.prompt.template import CONTEXT, MULTI_PASSAGE, PromptTemplate

#: What the paper asks about an article of CNN/DailyMail.
SUMMARIZE = "Please summarize the article in up to three sentences."
#: Longest context of Natural Questions, in characters.
LONGEST_ARTICLE = 20_000
#: Longest whole prompt of Dolly, in characters.
LONGEST_DOLLY_PROMPT = 10_000
#: Categories of Dolly that come with a context.
DOLLY_CATEGORIES = ("summarization", "information_extraction", "closed_qa")


def parse_cnn_dailymail(row: Row) -> TrainingExample | None:
    """Ask for a summary of an article."""
    return _example(row.id("id"), SUMMARIZE, [Passage(row.text("article"))], CONTEXT)


def parse_hotpot_qa(row: Row) -> TrainingExample | None:
    """Ask a question that takes several of the passages, each with its title."""
    passages = [
        # The sentences bring their own spaces.
        Passage("".join(record.texts("sentences")).strip(), title=record.text("title"))
        for record in row.records("context")
    ]
    return _example(row.id("id"), row.text("question"), passages, MULTI_PASSAGE)


def parse_ms_marco(row: Row) -> TrainingExample | None:
    """Ask a search query of the passages that were retrieved for it."""
    passages = [
        Passage(record.text("passage_text"), url=record.optional_text("url") or None)
        for record in row.records("passages")
    ]
    return _example(row.id("query_id"), row.text("query"), passages, MULTI_PASSAGE)


def parse_natural_questions(row: Row) -> TrainingExample | None:
    """Ask a search query of a Wikipedia article that answers it.

    An article answers if at least one annotator marked a long answer, a short one, or yes or no.
    Only paragraphs and headers are shown, at most 20,000 characters.
    """
    if not any(_answers(annotation) for annotation in row.records("annotations")):
        return None
    document = row.inside("document")
    text = paragraphs_and_headers(document.text("html"))
    if len(text) > LONGEST_ARTICLE:
        return None
    # The template shows no title: it is kept beside the text, where only a citation finds it.
    metadata = {"title": document.optional_text("title")}
    article = Passage(text, url=document.optional_text("url") or None, metadata=metadata)
    return _example(row.id("id"), row.inside("question").text("text"), [article], CONTEXT)


def parse_dolly(row: Row) -> TrainingExample | None:
    """Follow an instruction about a context; the whole prompt has at most 10,000 characters."""
    if row.text("category") not in DOLLY_CATEGORIES:
        return None
    context = Passage(row.optional_text("context"))
    example = _example(row.id(), row.text("instruction"), [context], CONTEXT)
    if example is None:
        return None
    message, _ = CONTEXT.render(example.question, example.passages, [0])
    return example if len(message) <= LONGEST_DOLLY_PROMPT else None


def parse_clapnq(row: Row) -> TrainingExample | None:
    """Ask a long-form question of one Wikipedia passage, which may not answer it.

    Not in the paper: it is here for questions that have no answer.
    """
    passages = [
        Passage(record.text("text"), title=record.optional_text("title") or None)
        for record in row.records("passages")
    ]
    return _example(row.id("id"), row.text("input"), passages, MULTI_PASSAGE)


def _example(
    id: str, question: str, passages: Sequence[Passage], prompt: PromptTemplate
) -> TrainingExample | None:
    if not question.strip() or all(passage.is_empty for passage in passages):
        return None
    return TrainingExample(id, question, tuple(passages), prompt=prompt)


def _answers(annotation: Row) -> bool:
    """Return whether an annotator of Natural Questions found an answer."""
    start = annotation.inside("long_answer").fields.get("start_token", -1)
    if not isinstance(start, int):
        raise InputError(
            f"'annotations.long_answer.start_token' is {start!r}; expected a whole number."
        )
    # The hub numbers the classes and has -1 for neither; the original files spell them.
    yes_or_no = annotation.fields.get("yes_no_answer", -1) in (0, 1, "NO", "YES")
    return start >= 0 or yes_or_no or bool(annotation.records("short_answers"))
