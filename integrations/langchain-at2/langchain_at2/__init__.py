"""Citations and context pruning for LangChain and LangGraph, by at2-rag."""

from __future__ import annotations

from langchain_at2.annotations import citations_of, references_text
from langchain_at2.cited_answer import AT2CitedAnswer
from langchain_at2.citer import AT2Citer
from langchain_at2.compressor import AT2DocumentCompressor
from langchain_at2.documents import documents_to_passages, passages_to_documents
from langchain_at2.inputs import AnswerInput, CiteInput
from langchain_at2.messages import answer_to_message
from langchain_at2.nodes import cite_node, prune_node
from langchain_at2.support_evaluator import AT2SupportEvaluator

__version__ = "0.1.0"

__all__ = [
    "AT2CitedAnswer",
    "AT2Citer",
    "AT2DocumentCompressor",
    "AT2SupportEvaluator",
    "AnswerInput",
    "CiteInput",
    "answer_to_message",
    "citations_of",
    "cite_node",
    "documents_to_passages",
    "passages_to_documents",
    "prune_node",
    "references_text",
]
