"""Where everything lies that a pass went over: documents, sources, and what was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from at2_rag.answering.written import Written, WrittenText
from at2_rag.documents.passages import Passage
from at2_rag.documents.sources import Source, split_passage
from at2_rag.estimators import Regions
from at2_rag.prompt.maker import PromptMaker
from at2_rag.prompt.settings import Settings
from at2_rag.prompt.tokens import EncodedPrompt
from at2_rag.sections import Sections
from at2_rag.spans import Span


@dataclass(frozen=True)
class Layout:
    """What a prompt and all that was written behind it consist of, and which tokens each part has.

    Attributes:
        documents: All that sources lie in, in the sections ``passages``, ``conversation`` and
            ``thoughts``, which has a single document if thoughts are sources, else none.
        document_tokens: Token range of each document, of passages with their titles; (0, 0) for
            those not shown.
        sources: The pieces of documents that are scored, in the sections ``prompt`` and
            ``thoughts``.
        source_tokens: Token range of each source.
        said: Token range of each sentence that was written, in the sections ``thoughts`` and
            ``response``.
    """

    documents: Sections[Passage]
    document_tokens: tuple[Span, ...]
    sources: Sections[Source]
    source_tokens: tuple[Span, ...]
    said: Sections[Span]

    @classmethod
    def of(
        cls, maker: PromptMaker, prompt: EncodedPrompt, prompt_length: int, written: Written
    ) -> Layout:
        """Return the layout of a prompt and what was written behind it.

        Args:
            maker: What made the prompt.
            prompt: The prompt as text and tokens.
            prompt_length: How many tokens the prompt has.
            written: What the model wrote behind the prompt, or read there.
        """
        told, settings = maker.request.documents, maker.request.settings
        thoughts = _thoughts_as_documents(written.thoughts, settings)
        documents = Sections.of(**{name: told[name] for name in told.places}, thoughts=thoughts)
        sources = Sections.of(
            prompt=maker.sources(prompt),
            thoughts=_thought_sources(written.thoughts, documents, settings),
        )
        behind = _Behind(prompt_length)
        return cls(
            documents,
            (*prompt.document_tokens(len(told)), *(behind.all_of(written) for _ in thoughts)),
            sources,
            (
                *prompt.source_tokens(sources["prompt"]),
                *behind.tokens_of(
                    written.thoughts, [(s.start, s.end) for s in sources["thoughts"]]
                ),
            ),
            Sections.of(
                thoughts=behind.sentences(written.thoughts),
                response=behind.sentences(written.response),
            ),
        )

    def regions(self, sentences: int) -> Regions:
        """Return where everything lies that is scored for a sentence.

        The thoughts come before the response, and are sources of it from its first sentence on.

        Args:
            sentences: How many sentences come before the one that is scored, those of the thoughts
                counted.
        """
        thought = sentences >= len(self.said["thoughts"]) > 0
        documents = self.documents.until("thoughts" if thought else "conversation")
        sources = self.sources.until("thoughts" if thought else "prompt")
        return Regions(
            sources=self.source_tokens[sources],
            owners=tuple(source.passage_index for source in self.sources.items[sources]),
            passages=self.document_tokens[documents],
            statements=self.said.items[:sentences],
        )


@dataclass(frozen=True)
class _Behind:
    """Places in what was written, as places in all tokens.

    Attributes:
        first: How many tokens the prompt has.
    """

    first: int

    def tokens_of(self, text: WrittenText | None, spans: Sequence[Span]) -> list[Span]:
        """Return the token range of each span of a text's characters."""
        found = [] if text is None else text.tokens_of(spans)
        return [(self.first + start, self.first + end) for start, end in found]

    def sentences(self, text: WrittenText | None) -> list[Span]:
        """Return the token range of each sentence of a text."""
        return [] if text is None else self.tokens_of(text, text.statements)

    def all_of(self, written: Written) -> Span:
        """Return the token range of the thoughts."""
        assert written.thoughts is not None
        tokens = written.thoughts.tokens
        return self.first + tokens.start, self.first + tokens.stop


def _thoughts_as_documents(thoughts: WrittenText | None, settings: Settings) -> tuple[Passage, ...]:
    """Return the thoughts as a document to cite, if they are sources."""
    if thoughts is None or "thought" not in settings.source_kinds:
        return ()
    return (Passage(thoughts.text, id="thoughts", kind="thought"),)


def _thought_sources(
    thoughts: WrittenText | None, documents: Sections[Passage], settings: Settings
) -> list[Source]:
    return [
        source
        for index in documents.indices("thoughts")
        for source in split_passage(
            documents.items[index],
            index,
            settings.source_unit,
            settings.language,
            [] if thoughts is None else [s for s in dict.fromkeys(thoughts.spans) if s[0] < s[1]],
        )
    ]
