"""LlamaIndex components around a local model that cites what made it say each sentence."""

from llama_index.postprocessor.at2.evaluator import AT2SupportEvaluator
from llama_index.postprocessor.at2.postprocessor import AT2Postprocessor
from llama_index.postprocessor.at2.query_engine import AT2CitationQueryEngine
from llama_index.postprocessor.at2.records import CitationRecord, StatementRecord, ThoughtsRecord
from llama_index.postprocessor.at2.responses import (
    AT2AsyncStreamingResponse,
    AT2Response,
    AT2StreamingResponse,
)
from llama_index.postprocessor.at2.synthesizer import AT2Synthesizer

__all__ = [
    "AT2AsyncStreamingResponse",
    "AT2CitationQueryEngine",
    "AT2Postprocessor",
    "AT2Response",
    "AT2StreamingResponse",
    "AT2SupportEvaluator",
    "AT2Synthesizer",
    "CitationRecord",
    "StatementRecord",
    "ThoughtsRecord",
]
