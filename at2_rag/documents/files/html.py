"""Web pages: what they say, without what is around it on every page of a site."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from at2_rag.documents.files.document import Document
from at2_rag.documents.files.draft import Draft
from at2_rag.documents.files.nesting import is_too_deep
from at2_rag.documents.files.rows import flat, header_of, row_in_words
from at2_rag.documents.files.source import SourceFile
from at2_rag.errors import FileFormatError

_CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)

#: Pages that say the one are in the other, as browsers know.
_LATIN = re.compile(r"(?:iso-?8859-?1|latin-?1|us-ascii)$", re.IGNORECASE)

#: What says nothing, wherever it is.
_SILENT = frozenset({
    "area", "audio", "base", "button", "canvas", "datalist", "dialog", "embed", "head", "iframe",
    "img", "input", "link", "map", "meta", "nav", "noembed", "noframes", "noscript", "object",
    "option", "param", "picture", "progress", "script", "select", "source", "style", "svg",
    "template", "textarea", "track", "video", "-comment",
})  # fmt: skip

#: What is around the text of a page unless it is within the main part.
_AROUND = frozenset(("aside", "footer", "form", "header"))
_AROUND_ROLES = frozenset(("banner", "complementary", "contentinfo", "navigation", "search"))

#: What the makers of pages call what is not the text.
_AROUND_NAMES = re.compile(
    r"(?:[\w-]*[-_])?(?:ads?|advert\w*|breadcrumbs?|consent|cookies?|editsection|footer|headerlink"
    r"|menu|nav|navbar|navbox|navigation|newsletter|pager|pagination|popup|promo|related|share"
    r"|sharing|sidebar|skip-?links?|social|sphinxsidebar|toc)(?:[-_](?:bar|box|banner|links?|list"
    r"|menu|wrapper|container))?",
    re.IGNORECASE,
)

#: What stands within a line.
_INLINE = frozenset({
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em",
    "font", "i", "ins", "kbd", "label", "mark", "nobr", "q", "rb", "rp", "rt", "ruby", "s",
    "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
})  # fmt: skip
_HEADINGS = {f"h{level}": level for level in range(1, 7)}

#: What is behind headings to link to them.
_ANCHORS = frozenset(("#", "¶", "§", "🔗", "\uf0c1"))

#: Stands for a line end that is meant, until white space is folded.
_BREAK = "\v"
_SPACE = re.compile(r"[^\S\v]+")

#: Where only text for one line is wanted, this makes a table one for the layout.
_IN_LAYOUT = "table, h1, h2, h3, h4, h5, h6, ul, ol, pre, p + p"


def read_html(source: SourceFile) -> Document:
    """Read the main text of a web page, with its headings; rows of tables name their columns.

    Raises:
        FileFormatError: If there is no text in it.
    """
    library = source.library("selectolax.lexbor", "selectolax", "web pages")
    decoded = source.decoded(_declared(source.bytes()))
    if is_too_deep(decoded.text):
        raise _too_deep(source)
    draft = Draft()
    tree = library.LexborHTMLParser(decoded.text)
    try:
        if tree.body is not None:
            main = _main(tree.body)
            _Page(draft).read(main, _is_main(main))
    except RecursionError:
        raise _too_deep(source) from None
    if draft.is_blank:
        raise source.error("has no text; pages that a script fills have none in the file.")
    return draft.document(title=_title(tree), remarks=decoded.remarks)


def _too_deep(source: SourceFile) -> FileFormatError:
    return source.error("is nested too deep to be read; expected a page as people write them.")


def _declared(data: bytes) -> str | None:
    found = _CHARSET.search(data, 0, 2048)
    if found is None:
        return None
    name = found[1].decode("ascii")
    return "cp1252" if _LATIN.match(name) else name


def _main(body: Any) -> Any:
    """Return what holds the text of a page, if most of it is there."""
    articles = body.css("article")
    found = [*body.css("main, [role=main]"), *(articles if len(articles) == 1 else [])]
    text = len(_text(body))
    return next((node for node in found if len(_text(node)) * 5 > text), body)


def _title(tree: Any) -> str | None:
    """Return the title, without the name of the site where the only top heading is part of it."""
    node = tree.css_first("title")
    title = flat(node.text()) if node is not None else ""
    heads = [head for node in tree.css("h1") if (head := _text(node))]
    if len(heads) == 1 and (not title or heads[0].lower() in title.lower()):
        return heads[0]
    return title or None


def _text(node: Any) -> str:
    """Return all that is said in a node, in one line."""
    page = _Page(Draft())
    page.gather(node)
    return flat(page.taken().replace(_BREAK, " "))


def _code(node: Any) -> str:
    """Return what is said in a node as it is, with a line end between alternatives."""
    parts: list[str] = []
    for child in node.iter(include_text=True):
        if child.is_text_node:
            parts.append(child.text_content or "")
        elif child.tag == "br":
            parts.append("\n")
        elif child.tag not in _SILENT:
            parts.append("\n" if child.tag == "code" and "".join(parts).strip() else "")
            parts.append(_code(child))
    return "".join(parts)


class _Page:
    """Goes through a page and writes down what it says.

    Attributes:
        draft: What was written so far.
    """

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self._line: list[str] = []
        self._bullet = ""

    def read(self, node: Any, within: bool) -> None:
        """Write down what is within a node.

        Args:
            node: The element whose content is read.
            within: Whether it is within the main part of the page, or is that.
        """
        for child in node.iter(include_text=True):
            if child.is_text_node:
                self._line.append(child.text_content or "")
            elif not _says_nothing(child, within):
                self._read_element(child, within or _begins_main(child))

    def gather(self, node: Any) -> None:
        """Take all that is said in a node for one line."""
        for child in node.iter(include_text=True):
            if child.is_text_node:
                self._line.append(child.text_content or "")
            elif child.tag == "br":
                self._line.append(_BREAK)
            elif child.tag not in _SILENT and not _is_anchor(child):
                inline = child.tag in _INLINE
                self._line.append("" if inline else " ")
                self.gather(child)
                self._line.append("" if inline else " ")

    def taken(self) -> str:
        """Return what was gathered, and begin anew."""
        text, self._line = "".join(self._line), []
        return _SPACE.sub(" ", text)

    def _read_element(self, node: Any, within: bool) -> None:
        if node.tag == "br":
            self._line.append(_BREAK)
        elif node.tag in _INLINE:
            self.read(node, within)
        else:
            self._end_line()
            self._read_block(node, within)
            self._end_line()

    def _read_block(self, node: Any, within: bool) -> None:
        if node.tag in _HEADINGS:
            self.draft.heading(_HEADINGS[node.tag], _text(node))
        elif node.tag == "pre":
            self.draft.code(_code(node))
        elif node.tag == "table" and _is_data(node):
            for line in _rows(node):
                self.draft.line(line)
        elif node.tag == "li":
            self._bullet = "- "
            self.read(node, within)
        else:
            self.read(node, within)

    def _end_line(self) -> None:
        lines = [line.strip() for line in self.taken().split(_BREAK)]
        text = "\n".join(filter(None, lines))
        if text and self._bullet:
            self.draft.line(self._bullet + text)
            self._bullet = ""
        else:
            self.draft.paragraph(text)


def _is_main(node: Any) -> bool:
    """Whether a node is within the main part of a page."""
    while node is not None:
        if _begins_main(node):
            return True
        node = node.parent
    return False


def _begins_main(node: Any) -> bool:
    return node.tag in ("main", "article") or node.attributes.get("role") == "main"


def _says_nothing(node: Any, within: bool) -> bool:
    """Whether a node is not part of the text.

    Args:
        node: An element or a comment.
        within: Whether it is within the main part of the page.
    """
    if node.tag in _SILENT or _is_anchor(node):
        return True
    told = node.attributes
    if "hidden" in told or told.get("aria-hidden") == "true":
        return True
    around = node.tag in _AROUND or told.get("role") in _AROUND_ROLES
    names = f"{told.get('class') or ''} {told.get('id') or ''}".split()
    named = any(map(_AROUND_NAMES.fullmatch, names))
    return ((around and not within) or named) and node.css_first("main, article, h1") is None


def _is_anchor(node: Any) -> bool:
    """Whether a node is a mark to click on, which leads to where it is."""
    return node.tag == "a" and node.text(strip=True) in _ANCHORS


def _is_data(table: Any) -> bool:
    """Whether a table is one of values, and not there for the layout."""
    inside = any(cell.css_first(_IN_LAYOUT) is not None for cell in table.css("td, th"))
    plain = table.attributes.get("role") not in ("presentation", "none")
    return plain and not inside and any(len(row.css("td, th")) > 1 for row in table.css("tr"))


def _rows(table: Any) -> Iterator[str]:
    """Yield each row of a table in words, behind the caption."""
    caption = table.css_first("caption")
    if caption is not None:
        yield _text(caption)
    rows = table.css("tr")
    grid = _grid(rows)
    begin = next((i for i, row in enumerate(rows) if row.css_first("td") is not None), 0)
    header = _joined(grid[:begin])
    if not begin and not all(_begins_with_name(row) for row in rows):
        header = header_of(grid)
        begin = int(bool(header))
    for row, cells in zip(rows[begin:], grid[begin:], strict=True):
        named = not header and _begins_with_name(row)
        yield f"{cells[0]}: {'; '.join(cells[1:])}" if named else row_in_words(cells, header)


def _joined(heads: Sequence[Sequence[str]]) -> Sequence[str]:
    """Return the names of columns that stand in several rows, each of them once."""
    columns = zip_longest(*heads, fillvalue="")
    return [" ".join(filter(None, dict.fromkeys(column))) for column in columns]


def _begins_with_name(row: Any) -> bool:
    return [cell.tag for cell in row.css("td, th")[:2]] == ["th", "td"]


def _grid(rows: Sequence[Any]) -> list[list[str]]:
    """Return the cells of each row; one that is several rows or columns wide is in each of them."""
    grid: list[list[str]] = []
    hanging: dict[int, tuple[int, str]] = {}  # how many more rows a column's cell takes
    for row in rows:
        cells: list[str] = []
        for cell in row.css("td, th"):
            _fill(cells, hanging)
            text, high = _text(cell), _count(cell, "rowspan")
            for _ in range(_count(cell, "colspan")):
                hanging[len(cells)] = (high, text)
                _fill(cells, hanging, most=1)
        _fill(cells, hanging)
        grid.append(cells)
    return grid


def _fill(cells: list[str], hanging: dict[int, tuple[int, str]], most: int | None = None) -> None:
    """Put down the cells that reach into a row from above, up to the first free column."""
    while len(cells) in hanging and most != 0:
        rows, text = hanging.pop(len(cells))
        if rows > 1:
            hanging[len(cells)] = (rows - 1, text)
        cells.append(text)
        most = None if most is None else most - 1


def _count(cell: Any, name: str) -> int:
    """Return how many rows or columns a cell takes, within reason."""
    value = cell.attributes.get(name) or ""
    return min(max(int(value), 1), 100) if value.isdecimal() else 1
