"""Paragraphs and headers of a web page."""

from __future__ import annotations

from html.parser import HTMLParser

_HEADERS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_HIDDEN = frozenset({"script", "style"})
# HTML lets a paragraph end without a tag: where one of these begins, or the block around it ends.
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "center", "dd", "details", "div", "dl"}
    | {"dt", "fieldset", "figure", "footer", "form", "header", "hr", "html", "li", "main", "nav"}
    | {"ol", "pre", "section", "table", "tbody", "td", "th", "tr", "ul"}
)


def paragraphs_and_headers(html: str) -> str:
    """Return the text of the paragraphs and headers, one a line (paper, appendix A.3.1).

    Lists, tables outside paragraphs, scripts and styles are left out; runs of white space become
    one space.
    """
    page = _Page()
    page.feed(html)
    page.close()
    return "\n".join(page.lines)


class _Page(HTMLParser):
    """Collects the text of paragraphs and headers.

    Attributes:
        lines: The text of each paragraph or header found, in order.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self._open: str | None = None
        self._pieces: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a paragraph or header, or end one that ends here without a tag."""
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag == "p" or tag in _HEADERS:
            self._finish()
            self._open = tag
        elif tag == "br":
            self.handle_data(" ")
        elif tag in _BLOCKS and self._open == "p":
            self._finish()

    def handle_endtag(self, tag: str) -> None:
        """End a paragraph or header."""
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag == self._open or (tag in _BLOCKS and self._open == "p"):
            self._finish()

    def handle_data(self, data: str) -> None:
        """Keep text where it counts."""
        if self._open is not None and not self._hidden:
            self._pieces.append(data)

    def close(self) -> None:
        """End what the page left open."""
        super().close()
        self._finish()

    def _finish(self) -> None:
        line = " ".join("".join(self._pieces).split())
        if line and self._open is not None:
            self.lines.append(line)
        self._open = None
        self._pieces.clear()
