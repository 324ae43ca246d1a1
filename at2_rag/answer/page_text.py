"""The texts on one side of an answer's page: the answer, the thoughts before it, the draft."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from at2_rag.answer.attribution import Attribution
from at2_rag.answer.marking import Mark, marked
from at2_rag.answer.shown import Shown
from at2_rag.answer.statement import Statement
from at2_rag.documents.passages import Passage
from at2_rag.view.drawing import Drawing, visible, written
from at2_rag.view.layers import Layer


def answer_text(answers: Sequence[Shown], *, markdown: bool) -> str:
    """Return the answer's text with the numbers of each method.

    Args:
        answers: The same answer by each method; the first one's numbers are shown at first.
        markdown: Whether the text is shown as Markdown.
    """
    first = answers[0]
    if not first.text:
        cut_off = first.thoughts is not None and not first.thoughts.finished
        said = "The answer was cut off in its thoughts." if cut_off else "The model said nothing."
        return f'<p class="quiet">{said}</p>'
    inserts = [
        insert
        for number, answer in enumerate(answers)
        for insert in _inserts(answer.marks, answer.statements, answer.passages, number)
    ]
    drawing = _drawing(first.attribution, first.statements, inserts, "a", markdown=markdown)
    return f'<div class="text" data-text="answer" dir="auto">{drawing.draw(first.text)}</div>'


def thoughts_text(answer: Shown, *, markdown: bool) -> str:
    """Return what was thought before an answer, folded; nothing where nothing was."""
    thoughts = answer.thoughts
    if thoughts is None:
        return ""
    _, marks = marked(thoughts.text, thoughts.statements)
    inserts = list(_inserts(marks, thoughts.statements, answer.passages, 0))
    # Thoughts are sources as well, of the response.
    own = {
        number: source
        for number, source in enumerate(answer.attribution.sources)
        if answer.passages[source.passage_index].kind == "thought"
    }
    drawing = _drawing(
        thoughts.attribution,
        thoughts.statements,
        inserts,
        "h",
        markdown=markdown,
        sources={number: (source.start, source.end) for number, source in own.items()},
        begins={("s", number): place_id(source.place) for number, source in own.items()},
    )
    count = len(thoughts.statements)
    more = "" if thoughts.finished else ", cut off"
    return (
        f'<details class="thoughts fold"><summary>Thoughts <span class="quiet">{count} '
        f"sentence{'' if count == 1 else 's'}{more}</span></summary>"
        f'<div class="text" data-text="thoughts" dir="auto">{drawing.draw(thoughts.text)}</div>'
        "</details>"
    )


def draft_text(answer: Shown, *, markdown: bool) -> str:
    """Return the first draft, folded; nothing where nothing was pruned."""
    draft = answer.draft
    if draft is None:
        return ""
    text = Drawing(markdown=markdown).draw(draft.text)
    return (
        '<details class="draft fold"><summary>First draft <span class="quiet">from all '
        f"{len(draft.kept)} passages</span></summary>"
        f'<div class="text" dir="auto">{text}</div></details>'
    )


def _drawing(
    attribution: Attribution,
    statements: Sequence[Statement],
    inserts: Sequence[tuple[int, str]],
    prefix: str,
    *,
    markdown: bool,
    sources: Mapping[int, tuple[int, int]] | None = None,
    begins: Mapping[tuple[str, int], str] | None = None,
) -> Drawing:
    """Return how a text with statements is drawn.

    Args:
        attribution: The scores of the text's tokens.
        statements: The text's statements.
        inserts: What is put into the text, as (character behind which, HTML).
        prefix: What the ids of its elements begin with.
        markdown: Whether the text is shown as Markdown.
        sources: Spans of those pieces of the text that are sources themselves, by their indices.
        begins: Ids of the first pieces of these sources.
    """
    layers = {"t": Layer.of(enumerate(attribution.token_spans))}
    if sources:
        layers["s"] = Layer.of(sources.items())
    return Drawing(
        layers=layers,
        groups=[(s.start, s.end) for s in statements],
        group_attributes={
            number: {
                "id": f"{prefix}-{number}",
                "tabindex": "0",
                "role": "group",
                "aria-label": f"Statement {number + 1} of {len(statements)}",
            }
            for number in range(len(statements))
        },
        inserts=inserts,
        classes={"weak": _weak(statements), "ungrounded": _ungrounded(statements)},
        begins=begins or {},
        markdown=markdown,
    )


def _weak(statements: Sequence[Statement]) -> Layer:
    """Return the layer of what the passages do not support."""
    return Layer.of((i, (s.start, s.end)) for i, s in enumerate(statements) if s.supported is False)


def _ungrounded(statements: Sequence[Statement]) -> Layer:
    """Return the layer of words that are from no passage."""
    return Layer.of(enumerate(span for s in statements for span in s.ungrounded or ()))


def _inserts(
    marks: Sequence[Mark],
    statements: Sequence[Statement],
    passages: Sequence[Passage],
    method: int,
) -> Iterator[tuple[int, str]]:
    """Yield the numbers of statements, and what is to be said of them, with their places."""
    places: dict[int, list[Mark]] = {}
    for mark in marks:
        places.setdefault(mark.position, []).append(mark)
    attributes = _of_method(method)
    for position, here in places.items():
        links = "".join(_link(mark, statements, passages) for mark in here)
        # No line begins with a number that belongs to the one before.
        yield position, f'<sup class="cites"{attributes}>&#8288;{links}</sup>'
    for statement in statements:
        if statement.supported is False:
            yield statement.end, f'<span class="flag"{attributes}>not supported</span>'
        for word in dict.fromkeys(statement.ungrounded_words):
            said = escape(visible(word))
            yield (
                statement.end,
                f'<span class="flag"{attributes}>ungrounded: <bdi>{said}</bdi></span>',
            )


def _link(mark: Mark, statements: Sequence[Statement], passages: Sequence[Passage]) -> str:
    (citation, *_) = (
        c for k in mark.statements for c in statements[k].citations if c.number == mark.number
    )
    title = citation.title or f"passage {citation.passage_index + 1}"
    attributes = {
        "class": "cite",
        "href": f"#{place_id(citation.place)}",
        "data-n": str(mark.number),
        "data-k": " ".join(map(str, mark.statements)),
        "aria-label": visible(f"Source {mark.number}: {title}"),
    }
    return f"<a{written(attributes)}>{mark.number}</a>"


def _of_method(method: int) -> str:
    return written({"data-m": str(method)} | ({} if method == 0 else {"hidden": ""}))


def place_id(place: tuple[int, int, int]) -> str:
    """Return the id of a source's first character on the page."""
    return "at-{}-{}-{}".format(*place)


def shown_title(passage: Passage, index: int) -> str:
    """Return what a passage is called on the page, as HTML."""
    kinds = {"message": "Message", "tool": "Tool result", "system": "System prompt"}
    title = passage.title or f"{kinds.get(passage.kind, 'Passage')} {index + 1}"
    return f"<bdi>{escape(visible(title))}</bdi>"
