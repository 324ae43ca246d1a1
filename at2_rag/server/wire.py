"""The shapes of requests."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from at2_rag.documents.passages import SourceKind
from at2_rag.documents.sources import SourceUnit
from at2_rag.server.limits import Limits

#: A string or an object; what is wrong with it is told in words where it is read.
Document = Any


class Options(BaseModel):
    """How to answer and cite; what is left out is as the server's reader has it.

    Attributes:
        source_unit: What is scored and cited.
        source_kinds: What is cut into sources.
        system: The system prompt, in front of all messages.
        template_options: Options of the chat template, such as ``{"enable_thinking": false}``.
        max_new_tokens: How many tokens the longest answer has; the server has a bound of its own.
        max_citations: How many citations a statement has at most.
        max_passages: How many passages are shown to the model at most.
        min_score: The score below which a source is not cited.
        on_overflow: What to do when the passages do not fit the model's context.
        on_empty: What to do when there is nothing to answer from.
        language: The language of the sentences.
        transitive: Whether a statement that leans on an earlier one inherits its citations.
        score_by: What sources are scored by: the answer's attention, or its gradient.
        prove: How many sources of each statement to leave out, to cite only what matters.
        prove_by: What they are hidden from: all tokens, or those behind the passages only.
        groundedness: Whether to look for words that are from no passage.
        refusals: What an answer says where the passages do not say.
        rank_by: What passages are pruned by: what a draft used, or what the question looks at.
        prune_to: How many passages to answer from, those that rank first.
        temperature: How freely to sample; 0, the default, takes the likeliest tokens.
        top_p: The share of the likeliest tokens that are sampled from.
        seed: What sampling begins with.
    """

    model_config = ConfigDict(extra="forbid")

    source_unit: SourceUnit | None = None
    source_kinds: list[SourceKind] | None = None
    system: str | None = None
    template_options: dict[str, Any] | None = None
    max_new_tokens: Annotated[int, Field(ge=1)] | None = None
    max_citations: Annotated[int, Field(ge=1)] | None = None
    max_passages: Annotated[int, Field(ge=1)] | None = None
    min_score: float | None = None
    on_overflow: Literal["error", "drop", "truncate"] | None = None
    on_empty: Literal["error", "answer"] | None = None
    language: str | None = None
    transitive: bool | None = None
    score_by: Literal["attention", "gradient"] | None = None
    rank_by: Literal["draft", "question"] | None = None
    prove: Annotated[int, Field(ge=1)] | None = None
    prove_by: Literal["attention", "knockout"] | None = None
    groundedness: bool | None = None
    refusals: list[str] | None = None
    prune_to: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int | None = None

    def settings(self, limits: Limits) -> dict[str, Any]:
        """Return what was chosen of the settings, within the server's bounds.

        Args:
            limits: The server's bounds.
        """
        other = {"prune_to", "temperature", "top_p", "seed"}
        chosen = self.model_dump(exclude_none=True, exclude=other)
        for name, most in (("max_new_tokens", limits.new_tokens), ("prove", limits.prove)):
            if name in chosen:
                chosen[name] = min(chosen[name], most)
        return chosen

    def sampling(self) -> dict[str, Any]:
        """Return the options of generation that make it sample; none for a temperature of 0."""
        if not self.temperature:
            return {}
        top_p = {} if self.top_p in (None, 1) else {"top_p": self.top_p}
        return {"do_sample": True, "temperature": self.temperature, **top_p}


#: Clients that write out all fields write null for those that were left out.
TheOptions = Annotated[Options, BeforeValidator(lambda told: {} if told is None else told)]


def _as_list(told: object) -> object:
    return [told] if isinstance(told, str) else told


class _Request(BaseModel):
    """A question about passages.

    Attributes:
        question: What is to be answered.
        passages: What it is to be answered from: strings, or objects with ``text``.
        history: Earlier messages of the chat.
        options: How to answer and cite.
        attribution: Whether answers come with the scores of every source for every token.
    """

    model_config = ConfigDict(extra="forbid")

    question: str
    passages: list[Document] = []
    history: list[dict[str, Any]] = []
    options: TheOptions = Options()
    attribution: bool = True


class AnswerRequest(_Request):
    """A question to be answered.

    Attributes:
        stream: Whether the answer comes as events, while it is written.
        view: Whether a last event brings the answer as HTML, in the parts that the page is made of.
    """

    stream: bool = True
    view: bool = False


class CiteRequest(_Request):
    """An answer from anywhere, to be cited.

    Attributes:
        answer: The text of the answer.
        thoughts: What was thought before the answer.
    """

    answer: str
    thoughts: str | None = None


class ProveRequest(CiteRequest):
    """An answer whose citations are to be put to the proof.

    Attributes:
        statement: Index of the statement whose citations are proven; those of all if left out.
        by: How sources are left out.
    """

    statement: Annotated[int, Field(ge=0)] | None = None
    by: Literal["attention", "removal"] = "attention"


class PruneRequest(_Request):
    """Passages of which those are to be kept that an answer uses.

    Attributes:
        top_k: How many passages (or sentences) to keep at most.
        min_share: Least share of all positive scores with which one is kept.
        unit: What is kept or dropped.
    """

    top_k: Annotated[int, Field(ge=1)] | None = None
    min_share: Annotated[float, Field(gt=0, le=1)] | None = None
    unit: Literal["passage", "sentence"] = "passage"


class RerankRequest(BaseModel):
    """Documents to be put in order for a query, as Cohere, Jina and vLLM have it.

    Attributes:
        query: What the documents are to answer.
        documents: Strings, or objects with ``text``.
        model: The name of the model; the server's own if left out.
        top_n: How many of the documents to tell of at most, the best first.
        return_documents: Whether their texts come back as well.
        at2: How to rank: ``rank_by``, and what else decides how the model is asked.
    """

    model_config = ConfigDict(extra="ignore")

    query: str
    documents: Annotated[list[Document], Field(min_length=1)]
    model: str | None = None
    top_n: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool = True
    at2: TheOptions = Options()


class StreamOptions(BaseModel):
    """What a stream has beside the text.

    Attributes:
        include_usage: Whether a last chunk tells how many tokens there were.
    """

    include_usage: bool = False


class ProxiedChat(BaseModel):
    """A request for a chat completion that another server answers, whatever else it says.

    Attributes:
        messages: The messages of the chat.
        documents: What the question is to be answered from, as Cohere and vLLM take them.
        at2: How to cite.
    """

    model_config = ConfigDict(extra="allow")

    messages: Annotated[list[dict[str, Any]], Field(min_length=1)]
    documents: list[Document] | None = None
    at2: TheOptions = Options()


class ChatRequest(ProxiedChat):
    """A request for a chat completion, as OpenAI has it, with documents.

    Attributes:
        model: The name of the model; the server's own if left out.
        stream: Whether the answer comes in chunks, while it is written.
        stream_options: What a stream has beside the text.
        max_tokens: How many tokens the longest answer has.
        max_completion_tokens: How many tokens the longest answer has, by its newer name.
        temperature: How freely to sample; the likeliest tokens are taken if left out.
        top_p: The share of the likeliest tokens that are sampled from.
        seed: What sampling begins with.
        stop: Texts that end the answer, and are no part of it; with ``[]``, one of a model without
            a chat template does not end before its next turn either.
        n: How many answers are wanted: one.
    """

    model: str | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int | None = None
    stop: Annotated[list[str] | None, BeforeValidator(_as_list)] = None
    n: int | None = None
