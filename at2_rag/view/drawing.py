"""A text drawn as HTML: cut where anything that is told of it begins or ends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape

from at2_rag.spans import Span
from at2_rag.view.blocks import Element, Node, Run, blocks_of
from at2_rag.view.layers import Layer, cut

#: What nothing is put into that can be clicked or is not of the text itself.
_CLOSED = ("a", "code")
_EMPTY = ("hr",)
#: What may be wider than its column; who uses the keyboard can move it.
_WIDE = ("table",)


@dataclass(frozen=True)
class Drawing:
    """How a text is drawn.

    Attributes:
        layers: What lies over the text, by the name of the attribute that tells the numbers of the
            spans over a piece: ``{"s": sources}`` gives ``data-s="3"``.
        groups: Spans that are drawn as one element wherever they can be, such as statements; none
            lies over another.
        group_attributes: Attributes of each group's first element, by the group's number.
        inserts: What is put into the text, as (character behind which, HTML).
        classes: Classes of the pieces under spans, such as those of what a model did not see.
        begins: Ids of the first piece under spans of a layer, by (layer, number).
        shades: How dark the spans of the layer ``s`` are, above 0 and up to 1, by their numbers;
            of several over each other, the darkest is shown, and 1 is underlined as well.
        markdown: Whether the text is shown as Markdown.
    """

    layers: Mapping[str, Layer] = field(default_factory=dict)
    groups: Sequence[Span] = ()
    group_attributes: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    inserts: Sequence[tuple[int, str]] = ()
    classes: Mapping[str, Layer] = field(default_factory=dict)
    begins: Mapping[tuple[str, int], str] = field(default_factory=dict)
    shades: Mapping[int, float] = field(default_factory=dict)
    markdown: bool = True

    def draw(self, text: str) -> str:
        """Return a text as HTML; whatever is in it, it is text."""
        return _Drawer(self, blocks_of(text, markdown=self.markdown)).draw()

    @cached_property
    def group_layer(self) -> Layer:
        """The groups as a layer."""
        return Layer.of(enumerate(self.groups))

    @cached_property
    def edges(self) -> list[int]:
        """Where the text is cut."""
        layers = (*self.layers.values(), *self.classes.values(), self.group_layer)
        places = (position for position, _ in self.inserts)
        return sorted({*(edge for layer in layers for edge in layer.edges), *places})


@dataclass
class _Piece:
    """A run between two edges, and what is put behind it."""

    run: Run
    behind: str = ""


@dataclass
class _Branch:
    element: Element
    children: list[_Tree]


_Tree = _Piece | _Branch


class _Drawer:
    """Draws one text."""

    def __init__(self, drawing: Drawing, nodes: Sequence[Node]) -> None:
        self._drawing = drawing
        self._pieces: list[_Piece] = []
        self._trees = [tree for node in nodes for tree in self._tree(node)]
        self._first = self._put_inserts()
        self._begun: set[object] = set()

    def draw(self) -> str:
        inside, behind = self._draw_all(self._trees, None)
        return f"{self._first}{inside}{behind}"

    def _tree(self, node: Node) -> list[_Tree]:
        if isinstance(node, Element):
            children = [tree for child in node.children for tree in self._tree(child)]
            return [_Branch(node, children)]
        pieces = list(map(_Piece, self._cut(node)))
        self._pieces += pieces
        return list(pieces)

    def _cut(self, run: Run) -> Iterable[Run]:
        if not run.divisible:
            return [run]
        start = run.span[0]
        parts = cut(run.span, self._drawing.edges)
        return [Run(_between(run.text, a - start, b - start), (a, b)) for a, b in parts]

    def _put_inserts(self) -> str:
        """Put each insert behind the last piece before it; return those before all pieces."""
        first, index = "", -1
        for position, html in sorted(self._drawing.inserts, key=lambda insert: insert[0]):
            while index + 1 < len(self._pieces) and self._pieces[index + 1].run.span[0] < position:
                index += 1
            if index < 0:
                first += html
            else:
                self._pieces[index].behind += html
        return first

    def _draw_all(self, trees: Sequence[_Tree], group: int | None) -> tuple[str, str]:
        """Return trees as HTML, and what is put behind what they are in.

        Args:
            trees: Parts of one element.
            group: The group whose element they are in already; ``None`` for none.
        """
        html, behind, index = "", "", 0
        while index < len(trees):
            own, end = self._group(trees[index]) if group is None else None, index + 1
            while own is not None and end < len(trees) and self._group(trees[end]) == own:
                end += 1
            parts = [self._draw(tree, group if own is None else own) for tree in trees[index:end]]
            inside = "".join(part for part, _ in parts)
            html += inside if own is None else self._grouped(own, inside)
            behind += "".join(later for _, later in parts)
            index = end
        return html, behind

    def _group(self, tree: _Tree) -> int | None:
        """Return the group that all of a tree within a line is in; ``None`` for none or several."""
        if isinstance(tree, _Piece):
            over = self._drawing.group_layer.at(tree.run.span[0])
            return over[0] if over else None
        if tree.element.tag not in ("strong", "em", "s", "a", "code", "span"):
            return None
        found = {self._group(child) for child in tree.children}
        return found.pop() if len(found) == 1 else None

    def _grouped(self, group: int, inside: str) -> str:
        attributes = {"class": "group", "data-g": str(group)}
        if ("group", group) not in self._begun:
            self._begun.add(("group", group))
            attributes |= self._drawing.group_attributes.get(group, {})
        return f"<span{written(attributes)}>{inside}</span>"

    def _draw(self, tree: _Tree, group: int | None) -> tuple[str, str]:
        if isinstance(tree, _Piece):
            return self._piece(tree.run) + tree.behind, ""
        tag, attributes = tree.element.tag, tree.element.attributes
        if tag in (*_CLOSED, "pre"):
            return self._closed(tree, group)
        if tag in _EMPTY:
            return f"<{tag}>", ""
        inside, behind = self._draw_all(tree.children, group)
        html = f"<{tag}{written(attributes)}>{inside}{behind}</{tag}>"
        if tag in _WIDE:
            html = f'<div class="wide" role="group" aria-label="table" tabindex="0">{html}</div>'
        return html, ""

    def _closed(self, tree: _Branch, group: int | None) -> tuple[str, str]:
        """Draw what nothing is put into: that comes behind it."""
        tag, later = tree.element.tag, ""
        for piece in _pieces(tree):
            later, piece.behind = later + piece.behind, ""
        inside, _ = self._draw_all(tree.children, group)
        html = f"<{tag}{written(tree.element.attributes)}>{inside}</{tag}>"
        if tag == "pre" and later:
            later = f'<p class="behind">{later}</p>'
        return html + later, ""

    def _piece(self, run: Run) -> str:
        start, shown = run.span[0], escape(visible(run.text), quote=False)
        attributes, drawing = {}, self._drawing
        named = [name for name, layer in drawing.classes.items() if layer.at(start)]
        for name, layer in drawing.layers.items():
            over = layer.at(start)
            if over:
                attributes[f"data-{name}"] = " ".join(map(str, over))
                attributes |= self._begin(name, over)
        share = max((drawing.shades.get(n, 0.0) for n in self._sources(start)), default=0.0)
        if share > 0:
            named += ["lit", "hit"] if share == 1 else ["lit"]
            attributes |= {"style": f"--s:{share:.3f}", "title": f"{share:.2f}"}
        if named:
            attributes["class"] = " ".join(named)
        return f"<span{written(attributes)}>{shown}</span>" if attributes else shown

    def _sources(self, place: int) -> tuple[int, ...]:
        layer = self._drawing.layers.get("s")
        return () if layer is None else layer.at(place)

    def _begin(self, name: str, over: Sequence[int]) -> dict[str, str]:
        """Return the id of the first piece of a span, where it has one."""
        for number in over:
            place = self._drawing.begins.get((name, number))
            if place is not None and (name, number) not in self._begun:
                self._begun.add((name, number))
                return {"id": place}
        return {}


def _between(text: str, start: int, end: int) -> str:
    """Return a part of a text; of a line end that is cut in two, the second half alone shows."""
    return text[start : end - text.startswith("\r\n", end - 1)]


def _pieces(tree: _Tree) -> Iterable[_Piece]:
    if isinstance(tree, _Piece):
        yield tree
    else:
        for child in tree.children:
            yield from _pieces(child)


def written(attributes: Mapping[str, str]) -> str:
    """Return attributes as they are written in a tag, with a space before each."""
    return "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())


_NEW_LINE = re.compile(r"\r\n?|\f")
_HIDDEN = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def visible(text: str) -> str:
    """Return a text with a sign for each character that no page can hold, and its line ends."""
    return _HIDDEN.sub("\ufffd", _NEW_LINE.sub("\n", text))
