"""What a model wrote: its response, and before it perhaps its thoughts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase

from at2_rag.answering.decoding import decode_answer
from at2_rag.answering.stops import NO_STOPS, Stops
from at2_rag.documents.sentences import statement_spans
from at2_rag.prompt.thinking_markers import WrittenPlaces
from at2_rag.spans import Span, token_ranges


@dataclass(frozen=True)
class WrittenText:
    """A stretch of what a model wrote.

    Attributes:
        first: Index of the text's first token among all that the model wrote.
        text: What the tokens say, without white space around it.
        spans: Characters of the text that each token stands for.
        statements: Characters of each sentence of the text.
        start: Where the text begins in all that was read behind a prompt, in characters; ``None``
            where the model wrote it.
    """

    first: int
    text: str
    spans: tuple[Span, ...]
    statements: tuple[Span, ...]
    start: int | None = None

    @property
    def tokens(self) -> slice:
        """Which of all tokens that the model wrote are its own."""
        return slice(self.first, self.first + len(self.spans))

    @property
    def targets(self) -> tuple[Span, ...]:
        """Range of its tokens of each statement, counted from its first."""
        return token_ranges(self.statements, self.spans)

    def tokens_of(self, spans: Sequence[Span]) -> list[Span]:
        """Return the range of tokens of each span of its characters, among all tokens written."""
        found = token_ranges(spans, self.spans)
        return [(self.first + start, self.first + end) for start, end in found]


@dataclass(frozen=True)
class Written:
    """All that a model wrote behind a prompt.

    Attributes:
        ids: Token ids of all that was written, those of markers around thoughts included.
        response: The response, as text and tokens; empty if the model did not come to it.
        thoughts: The thoughts, as text and tokens; ``None`` if there are none.
        finished: Whether the thoughts came to their end.
    """

    ids: tuple[int, ...]
    response: WrittenText
    thoughts: WrittenText | None = None
    finished: bool = True


def decode_written(
    tokenizer: PreTrainedTokenizerBase,
    ids: tuple[int, ...],
    language: str,
    places: WrittenPlaces | None = None,
    statements: Sequence[Span] | None = None,
    stops: Stops = NO_STOPS,
) -> Written:
    """Decode what a model generated; the ids are kept as they are, never found again.

    Args:
        tokenizer: The model's tokenizer.
        ids: Token ids of all that the model wrote.
        language: The language of what the model wrote, as Punkt names it.
        places: Which tokens are thoughts and response; ``None`` without thoughts.
        statements: Characters of the response's sentences, where they are known already.
        stops: Strings that end what was written, and are no part of it.
    """

    def decoded(place: Span, known: Sequence[Span] | None = None) -> WrittenText:
        found = decode_answer(tokenizer, ids[slice(*place)], stops)
        sentences = statement_spans(found.text, language) if known is None else known
        return WrittenText(place[0], found.text, found.spans, tuple(sentences))

    def part(place: Span, known: Sequence[Span] | None = None) -> WrittenText:
        """Return it without the tokens of white space between it and a marker."""
        whole = decoded(place, known)
        own = [i for i, (start, end) in enumerate(whole.spans) if start < end]
        first = own[0] if own else len(whole.spans)
        last = own[-1] + 1 if own and place[1] < len(ids) else len(whole.spans)
        return replace(whole, first=whole.first + first, spans=whole.spans[first:last])

    if places is None:
        return Written(ids, decoded((0, len(ids)), statements))
    response, thoughts = part(places.response, statements), part(places.thoughts)
    return Written(ids, response, thoughts if thoughts.text else None, places.finished)


def encoded_written(
    ids: tuple[int, ...],
    offsets: Sequence[Span],
    text: str,
    language: str,
    places: WrittenPlaces | None = None,
) -> Written:
    """Return what was tokenized together with a prompt.

    Args:
        ids: Token ids of what stands behind the prompt.
        offsets: Characters of the text that each token stands for.
        text: The text that stands behind the prompt.
        language: The language of the text, as Punkt names it.
        places: Which characters are thoughts and response; ``None`` without thoughts.
    """

    def part(place: Span) -> WrittenText:
        inside = text[slice(*place)]
        begin = place[0] + len(inside) - len(inside.lstrip())
        inside = inside.strip()
        end = begin + len(inside)
        own = [i for i, (a, b) in enumerate(offsets) if a < end and b > begin]
        first = own[0] if own else len(ids)
        # Behind the response nothing follows but tokens without characters.
        last = len(ids) if place[1] == len(text) or not own else own[-1] + 1
        spans = [_within(span, begin, end) for span in offsets[first:last]]
        statements = tuple(statement_spans(inside, language))
        return WrittenText(first, inside, tuple(spans), statements, begin)

    if places is None:
        return Written(ids, part((0, len(text))))
    thoughts = part(places.thoughts)
    return Written(ids, part(places.response), thoughts if thoughts.text else None, places.finished)


def _within(span: Span, begin: int, end: int) -> Span:
    start, stop = (min(max(position, begin), end) - begin for position in span)
    return start, stop
