"""Passages: what a retriever returned and a reader reads, and whatever else is cited like one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from reprlib import repr as short
from typing import Any, Literal

from at2_rag.errors import InputError

_LINE_END = re.compile(r"\r\n|\r|\n")

#: What a document is: a passage of the caller's, a message of the chat before the question, what a
#: tool said in it, the system prompt, or what the model wrote before its answer.
SourceKind = Literal["passage", "message", "tool", "system", "thought"]


#: Where loaders put the page, what is printed on it first: ``page`` often counts from 0.
_PAGE_KEYS = ("page_label", "page_number", "page")

#: Half of a character that is written as two in UTF-16, without the other; Python joins no halves.
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Passage:
    """One retrieved passage, or another document that is cited like one.

    Attributes:
        text: The passage itself; every offset in a citation refers to it.
        title: What the passage is called: shown to the model above the text, and cited with it.
        id: The caller's own identifier; unique among the passages of one call.
        url: Where the passage came from; never shown to the model.
        metadata: Anything else the caller wants to keep with the passage.
        kind: What the text is. A caller's own are all ``"passage"``; readers make the others, as
            ``source_kinds`` says.
    """

    text: str
    title: str | None = None
    id: str | None = None
    url: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    kind: SourceKind = "passage"

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise InputError(
                f"A passage's text is {_told(self.text)}; expected a string, empty if there is "
                "none."
            )
        for name in ("title", "id", "url"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise InputError(
                    f"A passage's {name} is {_told(value)}; expected a string, or None: "
                    f"str({name})."
                )
        if not isinstance(self.metadata, Mapping):
            raise InputError(f"A passage's metadata is {_told(self.metadata)}; expected a mapping.")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to read in the text."""
        return not self.text.strip()

    @property
    def page(self) -> str | None:
        """Return the page that the metadata tell, as references show it: ``"p. 3"``."""
        pages = (self.metadata.get(key) for key in _PAGE_KEYS)
        told = (p for p in pages if type(p) is int or (isinstance(p, str) and p.strip()))
        page = next(told, None)
        return None if page is None else f"p. {page}"

    @property
    def file(self) -> str | None:
        """Return the path that the metadata tell, as passages from files have it."""
        path = self.metadata.get("path")
        return path if isinstance(path, str) else None

    def line_of(self, start: int) -> int | None:
        """Return which line of its file a character of the text is in; ``None`` if not known.

        Args:
            start: The character's place in the text.
        """
        line = self.metadata.get("line")
        if not isinstance(line, int):
            return None
        if "start" not in self.metadata:  # a record has one line, whatever its text has
            return line
        return line + len(_LINE_END.findall(self.text, 0, start))

    @property
    def heading(self) -> str | None:
        """Return title and page, as references show them; ``None`` if neither is known."""
        return ", ".join(told for told in (self.title, self.page) if told) or None

    def place_of(self, start: int) -> str | None:
        """Return where a character of the text is in its file, as ``notes.md:12``.

        That takes ``path`` and ``line`` in the metadata, as passages from files have them; without
        a line it is the path alone, and without a path ``None``.

        Args:
            start: The character's place in the text.
        """
        line = self.line_of(start)
        return self.file if self.file is None or line is None else f"{self.file}:{line}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, which make the same passage again."""
        return {
            "text": self.text,
            "title": self.title,
            "id": self.id,
            "url": self.url,
            "metadata": dict(self.metadata),
            "kind": self.kind,
        }


def _told(value: object) -> str:
    return "None" if value is None else f"{short(value)}, a {type(value).__name__}"


def as_passages(passages: Iterable[str | Passage], *, needed: bool = True) -> tuple[Passage, ...]:
    """Turn strings into passages and check that there is something to read.

    Args:
        passages: The caller's passages, gone through once; a string is the text of one, and a
            mapping has a passage's fields by name.
        needed: Whether there must be something to read in them. There need not be where a chat's
            messages or the system prompt are sources as well.

    Raises:
        InputError: If a passage is of another type or kind, or two passages have the same id; and
            where they are needed, if there is no passage or all passages are empty.
    """
    if isinstance(passages, str):
        raise InputError("passages is one string; expected a list: pass [text] for one passage.")
    if isinstance(passages, Mapping | Passage) or not isinstance(passages, Iterable):
        raise InputError(
            f"passages is a {type(passages).__name__}; expected a list of strings or Passages."
        )
    result = tuple(_as_passage(passage, index) for index, passage in enumerate(passages))
    _check_kinds(result)
    _check_ids(result)
    if needed and not result:
        raise InputError(f"No passages were given; expected at least one. {_WITHOUT}")
    if needed and all(p.is_empty for p in result):
        raise InputError(
            f"All {len(result)} passages are empty; expected text in at least one. {_WITHOUT}"
        )
    return result


#: What to do where nothing was retrieved.
_WITHOUT = 'Retrieve some first, or pass on_empty="answer" to answer without.'


def _as_passage(passage: object, index: int) -> Passage:
    """Return a caller's passage.

    Raises:
        InputError: If it cannot be one.
    """
    name = f"passages[{index}]"
    if isinstance(passage, str):
        passage = Passage(passage)
    elif isinstance(passage, Mapping):
        passage = _of_mapping(passage, name)
    elif not isinstance(passage, Passage):
        raise InputError(
            f"{name} is a {type(passage).__name__}; expected str or Passage.{_advice(passage)}"
        )
    check_text(f"{name}.text", passage.text)
    if passage.title is not None:
        check_text(f"{name}.title", passage.title)
    return passage


def _of_mapping(fields: Mapping[Any, Any], name: str) -> Passage:
    known = ("text", "title", "id", "url", "metadata")
    if "text" not in fields or not set(fields) <= set(known):
        raise InputError(
            f"{name} is a {type(fields).__name__} with the keys {list(fields)}; expected 'text', "
            f"and any of {', '.join(known[1:])}: Passage(its_text, metadata=the_rest)."
        )
    try:
        return Passage(**fields)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _advice(document: object) -> str:
    """Return what to do with a document of one of the frameworks."""
    if hasattr(document, "page_content"):
        return " langchain_at2.documents_to_passages makes passages of LangChain's documents."
    if hasattr(document, "get_content"):
        return " AT2Synthesizer reads LlamaIndex's nodes; else pass their get_content()."
    return ""


def check_text(name: str, text: str) -> None:
    """Raise ``InputError`` for half of a character, which no tokenizer takes.

    Files that were decoded with ``errors="surrogateescape"`` have such halves, and texts that were
    cut by bytes.

    Args:
        name: What the text is called.
        text: Any text from outside.
    """
    if (half := _LONE_SURROGATE.search(text)) is None:
        return
    raise InputError(
        f"{name} holds half of a surrogate pair, {half[0]!r}, at character {half.start()}; "
        "expected whole characters. text.encode('utf-8', 'replace').decode() puts question marks "
        "there."
    )


def _check_kinds(passages: Sequence[Passage]) -> None:
    for index, passage in enumerate(passages):
        if passage.kind != "passage":
            raise InputError(
                f"passages[{index}] is of the kind {passage.kind!r}; expected 'passage'. Messages "
                "and tool results go into history and the system prompt into system, and "
                "source_kinds says which of them are sources."
            )


def _check_ids(passages: Sequence[Passage]) -> None:
    seen: dict[str, int] = {}
    for index, passage in enumerate(passages):
        if passage.id is None:
            continue
        if passage.id in seen:
            raise InputError(
                f"passages[{seen[passage.id]}] and passages[{index}] have the same id "
                f"{passage.id!r}; expected unique ids. Rename one, or leave ids out."
            )
        seen[passage.id] = index
