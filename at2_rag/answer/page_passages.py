"""The passages on an answer's page: those that the model saw, with shades, and those it did not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import chain

from at2_rag.answer.page_text import place_id, shown_title
from at2_rag.answer.shown import Shown
from at2_rag.answer.statement import Citation
from at2_rag.documents.passages import Passage
from at2_rag.view.blocks import safe_address
from at2_rag.view.drawing import Drawing, visible, written
from at2_rag.view.layers import Layer

#: The first line of a text, if it could be its title: as it is, or marked as Markdown's are.
_FIRST_LINE = re.compile(
    r"\s*(?:\#{1,6}[ \t]+)?(?P<said>[^\n]*?)(?:[ \t]+\#+)?[ \t]*\n(?:[=-]{2,}[ \t]*\n)?\n*"
)

#: Up to so many, all that the model saw are open at first; of more, those that are cited.
_MOST_OPEN = 6


def passages_side(answers: Sequence[Shown], *, markdown: bool) -> str:
    """Return all passages of an answer, and of the conversation what is cited like one.

    Args:
        answers: The same answer by each method.
        markdown: Whether passages are shown as Markdown.
    """
    answer = answers[0]
    shown = [i for i, p in enumerate(answer.passages) if i in answer.kept or _of_talk(p)]
    rest = [i for i, p in enumerate(answer.passages) if p.kind == "passage" and i not in shown]
    cards = _Cards(answers, markdown=markdown)
    scores = dict(answer.draft.ranked_passages) if answer.draft else {}
    rest.sort(key=lambda index: -scores.get(index, 0.0))
    parts = [
        '<section class="side passages" id="passages" aria-labelledby="given">',
        f'<h2 id="given">Passages <span class="quiet">{len(shown)}</span></h2>',
        *(cards.of(index, is_open=cards.opens(index, len(shown))) for index in shown),
        _folded([cards.of(index, is_open=False, unseen=True) for index in rest], answer),
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _of_talk(passage: Passage) -> bool:
    return passage.kind not in ("passage", "thought")


def _folded(cards: Sequence[str], answer: Shown) -> str:
    if not cards:
        return ""
    why = "pruned: the draft used them least" if answer.draft else "not shown to the model"
    return (
        f'<details class="fold pruned"><summary>{len(cards)} more '
        f'<span class="quiet">{why}</span></summary>{"".join(cards)}</details>'
    )


class _Cards:
    """Draws passages."""

    def __init__(self, answers: Sequence[Shown], *, markdown: bool) -> None:
        self._answers, self._markdown = answers, markdown
        self._answer = answers[0]
        self._by_passage: dict[int, list[int]] = {}
        for number, source in enumerate(self._answer.attribution.sources):
            self._by_passage.setdefault(source.passage_index, []).append(number)
        self._use = _shares(self._answer.ranked_passages)
        drafted = self._answer.draft
        self._drafted = _shares(drafted.ranked_passages) if drafted else {}

    def opens(self, index: int, shown: int) -> bool:
        """Return whether a passage is open at first.

        Args:
            index: Index of the passage.
            shown: How many passages there are that the model saw.
        """
        citations = (c for answer in self._answers for c in _all_citations(answer))
        cited = {place[0] for c in citations for place in places_of(c)}
        return shown <= _MOST_OPEN or index in cited

    def of(self, index: int, *, is_open: bool, unseen: bool = False) -> str:
        """Return one passage.

        Args:
            index: Index of the passage among the answer's.
            is_open: Whether it is unfolded at first.
            unseen: Whether the model did not see it when it answered.
        """
        passage = self._answer.passages[index]
        use = self._drafted.get(index, 0.0) if unseen else self._use.get(index, 0.0)
        measured = use > 0 or not unseen or index in self._drafted
        label = "of the draft" if unseen else "of the answer"
        bar = (
            f'<span class="use" title="{use:.1%} {label}"><svg aria-hidden="true">'
            f'<rect width="{use:.1%}" height="100%"/></svg></span>'
            f'<span class="share">{use:.0%}</span>'
            if measured
            else ""
        )
        return (
            f'<details class="passage{" unseen" if unseen else ""}" id="p-{index}" '
            f'data-p="{index}"{" open" if is_open else ""}>'
            f'<summary><span class="number">{index + 1}</span>'
            f'<span class="title">{shown_title(passage, index)}</span>{bar}</summary>'
            f"{self._facts(passage, index, unseen=unseen)}"
            f'<div class="text" dir="auto">{self._text(passage, index)}</div></details>'
        )

    def _facts(self, passage: Passage, index: int, *, unseen: bool) -> str:
        """Return where a passage is from, and what the model saw of it."""
        address = safe_address(passage.url)
        link = {"href": address or "", "rel": "noopener noreferrer", "target": "_blank"}
        url = escape(visible(passage.url or ""))
        cut = dict(self._answer.shortened).get(index)
        told = [
            f"<a{written(link)}><bdi>{url}</bdi></a>" if address else url,
            escape(visible(passage.place_of(0) or "")),
            escape(passage.page or ""),
            "" if cut is None else f"cut off behind {cut:,} characters, which did not fit",
            "left out, as it did not fit" if index in self._answer.dropped and unseen else "",
            passage.kind if passage.kind != "passage" else "",
        ]
        facts = " · ".join(filter(None, told))
        return f'<p class="facts quiet">{facts}</p>' if facts else ""

    def _text(self, passage: Passage, index: int) -> str:
        sources = self._answer.attribution.sources
        own = {number: sources[number] for number in self._by_passage.get(index, ())}
        cited = {place for c in _all_citations(self._answer) for place in places_of(c)}
        spans = {number: (source.start, source.end) for number, source in own.items()}
        cut = dict(self._answer.shortened).get(index, len(passage.text))
        inserts = [
            insert
            for method, answer in enumerate(self._answers)
            for insert in _inserts(answer, index, method)
        ]
        begin = title_end(passage)  # the title stands above already
        if any(position <= begin for position, _ in inserts):
            begin = 0  # what is cited is shown
        drawing = Drawing(
            layers={"s": _behind(begin, spans)},
            inserts=[(position - begin, html) for position, html in inserts],
            classes={
                "cited": _behind(begin, {n: spans[n] for n, s in own.items() if s.place in cited}),
                "unread": _behind(begin, {0: (cut, len(passage.text))}),
            },
            begins={("s", number): place_id(source.place) for number, source in own.items()},
            markdown=self._markdown,
        )
        return drawing.draw(passage.text[begin:])


def _behind(begin: int, spans: Mapping[int, tuple[int, int]]) -> Layer:
    """Return the layer of spans in a text that is drawn from somewhere on."""
    return Layer.of((n, (max(start - begin, 0), end - begin)) for n, (start, end) in spans.items())


def title_end(passage: Passage) -> int:
    """Return where a passage's text goes on behind its own title; 0 if it begins with none.

    A title is a line of its own, perhaps with marks of a heading, and text is behind it.

    Args:
        passage: The passage, with the title that is shown above the text.
    """
    line = _FIRST_LINE.match(passage.text)
    if not passage.title or line is None or line["said"].split() != passage.title.split():
        return 0
    return line.end() if passage.text[line.end() :].strip() else 0


def _all_citations(answer: Shown) -> Iterable[Citation]:
    """Return the citations of the answer and of the thoughts before it."""
    thoughts = () if answer.thoughts is None else answer.thoughts.statements
    return chain.from_iterable(s.citations for s in (*answer.statements, *thoughts))


def _inserts(answer: Shown, index: int, method: int) -> Iterable[tuple[int, str]]:
    """Return the numbers behind what is cited of a passage, each a way back to who cites it."""
    hidden = {} if method == 0 else {"hidden": ""}
    thoughts = () if answer.thoughts is None else answer.thoughts.statements
    cited_by: dict[tuple[int, int], str] = {}  # (number, end) of what is cited, copies as well
    for prefix, statements in (("a", answer.statements), ("h", thoughts)):
        for k, statement in enumerate(statements):
            for c in statement.citations:
                for passage, _, end in places_of(c):
                    if passage == index:
                        cited_by.setdefault((c.number, end), f"{prefix}-{k}")
    for (number, end), first in cited_by.items():
        attributes = {
            "class": "back",
            "href": f"#{first}",
            "data-m": str(method),
            "data-n": str(number),
            "aria-label": f"Cited as {number}: go to the first statement",
            **hidden,
        }
        yield end, f"<a{written(attributes)}>{number}</a>"


def places_of(citation: Citation) -> list[tuple[int, int, int]]:
    """Return where what is cited stands, and where its copies do."""
    return [citation.place, *(copy.place for copy in citation.also_in)]


def _shares(ranked: Sequence[tuple[int, float]]) -> Mapping[int, float]:
    """Return which share of all positive scores each passage has."""
    total = sum(score for _, score in ranked if score > 0)
    return {index: max(score, 0.0) / total if total > 0 else 0.0 for index, score in ranked}
