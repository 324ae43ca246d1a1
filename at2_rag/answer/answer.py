"""An answer with its citations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from at2_rag.answer.attribution import Attribution
from at2_rag.answer.in_short import quoted, statements_in_short
from at2_rag.answer.likelihood import effect_in_words
from at2_rag.answer.marking import Mark, marked
from at2_rag.answer.page import answer_view
from at2_rag.answer.references import References
from at2_rag.answer.remarks import doubts_in_words, is_judged, unknown_in_words
from at2_rag.answer.shown import Evidence
from at2_rag.answer.statement import Citation, Statement
from at2_rag.answer.thoughts import Thoughts
from at2_rag.answer.usage import Usage, over_all
from at2_rag.documents.conversation import Message
from at2_rag.documents.passages import Passage
from at2_rag.errors import InputError
from at2_rag.prompt.settings import Settings
from at2_rag.view.page import framed


@dataclass(frozen=True, eq=False, repr=False)
class Answer:
    """What a reader answered, and why.

    All indices, ids and offsets refer to the passages that the caller passed, also after pruning.

    Attributes:
        question: The question that was answered.
        text: The answer's text, without white space around it. Of a reasoning model it is the
            response; empty if the model did not come to it.
        passages: The caller's passages, all of them; behind them, told apart by their ``kind``,
            what else holds sources: the conversation, by ``source_kinds``, and the thoughts.
        statements: One statement for each sentence of the answer, with its citations.
        attribution: The scores behind the citations.
        kept: Indices of the passages that the model saw, in their order.
        dropped: Indices of the passages left out because they did not fit the context, or because
            ``max_passages`` others share more telling words with the question.
        draft: The first answer, from all passages, where passages were pruned by one.
        truncated: Whether the answer stopped at ``max_new_tokens``.
        prompt_tokens: How many tokens the prompt had.
        answer_tokens: How many tokens the model wrote or read, those of thoughts included.
        model: Name of the model that wrote or read the answer.
        estimator: Kind of the score estimator; ``"uniform"`` is average attention.
        settings: The settings that the question was answered with, or the answer cited.
        history: Earlier messages of the chat that the question belongs to.
        thoughts: What a reasoning model thought before it answered; ``None`` if nothing.
        given_start: Where the answer begins in the text that :meth:`Reader.attribute` was given, in
            characters; ``None`` for an answer that the model itself gave.
        shortened: (passage index, characters) of the passages whose ends were cut off so that they
            fit the context: how many characters of its text the model saw.
    """

    question: str
    text: str
    passages: tuple[Passage, ...]
    statements: tuple[Statement, ...]
    attribution: Attribution
    kept: tuple[int, ...]
    dropped: tuple[int, ...]
    draft: Answer | None
    truncated: bool
    prompt_tokens: int
    answer_tokens: int
    model: str
    estimator: str
    settings: Settings
    history: tuple[Message, ...] = ()
    thoughts: Thoughts | None = None
    given_start: int | None = None
    shortened: tuple[tuple[int, int], ...] = ()

    @property
    def pruned(self) -> tuple[int, ...]:
        """Return the indices of the passages with text that others ranked before, so were pruned.

        ``max_passages`` drops passages, and prunes none.
        """
        seen = {*self.kept, *self.dropped}
        own = (index for index, each in enumerate(self.passages) if each.kind == "passage")
        return tuple(i for i in own if i not in seen and not self.passages[i].is_empty)

    @property
    def citations(self) -> tuple[Citation, ...]:
        """Return one citation per distinct source, numbered from 1 in order of first use."""
        first: dict[int, Citation] = {}
        for statement in self.statements:
            for citation in statement.citations:
                first.setdefault(citation.number, citation)
        return tuple(first[number] for number in sorted(first))

    @property
    def calibrated(self) -> bool:
        """Whether it is known which statements are supported, by thresholds or ablations.

        If not, ``supported`` is ``None``, and what is cited is what scored best, be it ever so
        little: a guess.
        """
        return is_judged(self.statements)

    @property
    def supported_share(self) -> float | None:
        """Return the share of its statements that are supported, of those that were judged.

        ``None`` where none was: of refusals, and by estimators without thresholds.
        """
        judged = [s.supported for s in self.statements if s.supported is not None]
        return sum(judged) / len(judged) if judged else None

    @property
    def ranked_passages(self) -> list[tuple[int, float]]:
        """Return (passage index, score) of the passages the model saw, most used first.

        A reasoning model uses passages in its thoughts, so these count as well: scores are means
        over all that it wrote.
        """
        return self.usage.ranked_passages()

    @property
    def used_passages(self) -> list[tuple[int, float]]:
        """Return what :attr:`ranked_passages` does, with copies counted as one.

        A passage that was retrieved twice has the scores of both; its copies come last, with 0, or
        with the lowest score where that is lower.
        """
        return self.usage.distinct_passages()

    @property
    def ranked_sources(self) -> list[tuple[int, float]]:
        """Return (index in ``attribution.sources``, score) of pieces of the caller's passages.

        Most used first; the thoughts count as for :attr:`ranked_passages`.
        """
        return self.usage.ranked_sources()

    @property
    def used_sources(self) -> list[tuple[int, float]]:
        """Return what :attr:`ranked_sources` does, with copies counted as one, as passages are."""
        return self.usage.distinct_sources()

    @cached_property
    def usage(self) -> Usage:
        """How much of the passages was used, over all that the model wrote."""
        thoughts = None if self.thoughts is None else self.thoughts.attribution
        scores = over_all(self.attribution, thoughts)
        unit, sources = self.settings.source_unit, self.attribution.sources
        return Usage(self.passages, self.kept, unit, sources, *scores)

    @property
    def marked_text(self) -> str:
        """Return the answer with ``[1][2]`` behind each statement, in ascending order.

        Whatever Markdown the answer has, it has it with the marks as well: they go into the last
        cell of a row, and behind code, links and formulas. Where the answer itself has a number
        such as ``[3]``, outside of code, marks behind it are written ``[^1]``.
        """
        return self._marked[0]

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Return the marks of :attr:`marked_text`, in order, so that nobody has to look for them.

        Without them, and what was put before and after them, the marked text is the text.
        """
        return self._marked[1]

    @cached_property
    def _marked(self) -> tuple[str, tuple[Mark, ...]]:
        return marked(self.text, self.statements)

    @property
    def carets(self) -> int:
        """How many carets references have before their numbers: as many as the last mark."""
        return self._cited.carets

    def mark_of(self, number: int) -> str:
        """Return how the text writes a number; each way of it, where it does so in several.

        Args:
            number: The number of a citation.
        """
        return self._cited.mark_of(number)

    @property
    def widest_mark(self) -> int:
        """Return how many characters the longest mark of a reference has; 0 without any."""
        return max((len(self.mark_of(citation.number)) for citation in self.citations), default=0)

    @property
    def references(self) -> str:
        """Return the numbered sources, a line each, with page, file and line where known."""
        return "\n".join(map(self._cited.line, self.citations))

    def place_of(self, citation: Citation) -> str | None:
        """Return the address of what is cited, or file and line; ``None`` if neither is known."""
        return self._cited.place_of(citation)

    def quote_of(self, citation: Citation) -> tuple[str, str, str]:
        """Return what is cited, in one line, between what is before and behind it.

        Around what is a piece of a sentence are the words around it, and quotation marks.

        Args:
            citation: A citation of the answer.
        """
        return self._cited.quote_of(citation)

    def elsewhere(self, citation: Citation) -> list[str]:
        """Return in words where else a source stands, such as "also in passage 4"; or nothing.

        Args:
            citation: A citation of the answer.
        """
        return self._cited.elsewhere(citation)

    @property
    def _cited(self) -> References:
        return References(self.passages, self.settings.source_unit, self.marks)

    def __repr__(self) -> str:
        facts = statements_in_short(self.statements)
        facts += ", cut off" if self.truncated else ""
        return f"<Answer {quoted(self.text)} to {quoted(self.question)}: {facts}>"

    def __str__(self) -> str:
        if self.thoughts is not None and not self.thoughts.finished:
            return "(cut off in its thoughts)"
        parts = [
            [self.marked_text],
            [self._cited.line(c, effect_in_words(c), self.widest_mark) for c in self.citations],
            *doubts_in_words(self.statements),
            [] if self.calibrated else [unknown_in_words(self.estimator)],
        ]
        blocks = ("\n".join(line for line in lines if line) for lines in parts)
        return "\n\n".join(block for block in blocks if block)

    def to_html(
        self,
        *,
        beside: Mapping[str, Answer] | None = None,
        evidence: Evidence | None = None,
        markdown: bool = True,
    ) -> str:
        """Return a page that shows which sentences of the passages each statement goes back to.

        It needs no other file and no network. Pointing at a statement or a number shades its
        sources by their scores, pointing at a source what was said because of it, and any words
        that are selected are attributed by themselves. Without scripts, text and references stay.

        Args:
            beside: The same answer by other methods, by the name that each is to have in the
                page's switch; ``None`` for this one alone.
            evidence: What :meth:`Reader.verify` found for this answer, to be shown as well.
            markdown: Whether answer and passages are shown as Markdown, or as they are written.

        Raises:
            InputError: If one beside is of another text, or has other sources.
        """
        return answer_view(self, beside or {}, evidence, markdown=markdown).page()

    def _repr_html_(self) -> str:
        return framed(self.to_html())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answer) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.question, self.text, self.kept))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; derived views are included for readers of the JSON.

        Raises:
            TypeError: When it is written as JSON, if a passage's metadata, the history or the
                template's options cannot be.
        """
        return {
            "question": self.question,
            "text": self.text,
            "marked_text": self.marked_text,
            "marks": [mark.to_dict() for mark in self.marks],
            "statements": [s.to_dict() for s in self.statements],
            "citations": [c.to_dict() for c in self.citations],
            "calibrated": self.calibrated,
            "ranked_passages": [list(ranked) for ranked in self.ranked_passages],
            "passages": [passage.to_dict() for passage in self.passages],
            "kept": list(self.kept),
            "dropped": list(self.dropped),
            "pruned": list(self.pruned),
            "draft": self.draft.to_dict() if self.draft else None,
            "truncated": self.truncated,
            "prompt_tokens": self.prompt_tokens,
            "answer_tokens": self.answer_tokens,
            "model": self.model,
            "estimator": self.estimator,
            "settings": self.settings.to_dict(),
            "history": [dict(message) for message in self.history],
            "given_start": self.given_start,
            "shortened": [list(cut) for cut in self.shortened],
            "thoughts": self.thoughts.to_dict() if self.thoughts else None,
            "attribution": self.attribution.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Answer:
        """Return an answer equal to the one that :meth:`to_dict` was called on.

        Raises:
            InputError: If something is missing, or of another kind.
        """
        try:
            return cls._from_dict(data)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            what = f"has no {error}" if isinstance(error, KeyError) else f"does not fit: {error}"
            raise InputError(
                f"The data {what}; expected all that Answer.to_dict() returned."
            ) from error

    @classmethod
    def _from_dict(cls, data: Mapping[str, Any]) -> Answer:
        derived = {"marked_text", "marks", "citations", "calibrated", "ranked_passages", "pruned"}
        fields = {key: value for key, value in data.items() if key not in derived}
        return cls(
            **{
                **fields,
                "passages": tuple(Passage(**p) for p in data["passages"]),
                "statements": tuple(Statement.from_dict(s) for s in data["statements"]),
                "attribution": Attribution.from_dict(data["attribution"]),
                "kept": tuple(data["kept"]),
                "shortened": tuple((index, length) for index, length in data.get("shortened", ())),
                "dropped": tuple(data["dropped"]),
                "draft": cls._from_dict(data["draft"]) if data["draft"] else None,
                "settings": Settings.from_dict(data["settings"]),
                "history": tuple(dict(message) for message in data["history"]),
                "thoughts": Thoughts.from_dict(data["thoughts"]) if data["thoughts"] else None,
            }
        )
