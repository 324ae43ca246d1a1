"""How deep a web page is nested, before anything is done that takes longer the deeper it is."""

from __future__ import annotations

import re
from collections import Counter

#: How many elements are open at a time at most. Each new one costs a parser a look at all that are
#: open, so that 200,000 within one another take minutes; pages have some dozens.
MOST_OPEN = 10_000

_TAG = re.compile(
    r"<!--|<(?P<ends>/?)(?P<name>[a-z][^\s/<>]*)(?:[^<>]*(?P<alone>/)>)?", re.IGNORECASE
)
_SILENT = {
    "script": re.compile("</script", re.IGNORECASE),
    "style": re.compile("</style", re.IGNORECASE),
}
_COMMENT_END = re.compile("-->")

#: What never holds anything, or ends by itself where another begins.
_NEVER_OPEN = frozenset({
    "area", "base", "body", "br", "caption", "col", "colgroup", "dd", "dt", "embed", "head", "hr",
    "html", "img", "input", "li", "link", "meta", "optgroup", "option", "p", "param", "rp", "rt",
    "source", "tbody", "td", "tfoot", "th", "thead", "tr", "track", "wbr",
})  # fmt: skip


def is_too_deep(html: str) -> bool:
    """Whether more elements are open somewhere than a parser can be expected to go through.

    Each tag is looked at once. An end that belongs to nothing ends nothing.

    Args:
        html: The page's source, tags and all.
    """
    opened: Counter[str] = Counter()
    depth, place = 0, 0
    while (tag := _TAG.search(html, place)) is not None:
        place = tag.end()
        name = (tag["name"] or "").lower()
        silent = _COMMENT_END if not name else _SILENT.get(name)
        if silent is not None and not tag["ends"]:
            end = silent.search(html, place)
            if end is None:
                return False  # nothing more is read
            place = end.end()
        elif name in _NEVER_OPEN or (tag["alone"] and (opened["svg"] or opened["math"])):
            continue  # elsewhere than in drawings and formulas, a slash at the end says nothing
        elif not tag["ends"]:
            opened[name] += 1
            depth += 1
        elif opened[name]:
            opened[name] -= 1
            depth -= 1
        if depth > MOST_OPEN:
            return True
    return False
