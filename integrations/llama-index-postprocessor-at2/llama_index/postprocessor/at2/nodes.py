"""From LlamaIndex's nodes to the reader's passages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore

from at2_rag import Passage

_TITLE_KEYS = ("title", "document_title")
_URL_KEYS = ("url", "source", "file_path")


def passages_of(
    nodes: Sequence[NodeWithScore], metadata_mode: MetadataMode = MetadataMode.NONE
) -> list[Passage]:
    """Return a passage for each node, in the same order.

    Ids stay behind: a retriever may return a node twice, and passages are told apart by index.

    Args:
        nodes: What the retriever returned; never changed.
        metadata_mode: Which metadata the model reads above a node's text. ``NONE`` shows the title
            alone; ``LLM`` and ``ALL`` show the keys and values that LlamaIndex would show.

    Raises:
        TypeError: If one is no node with a score.
    """
    for index, item in enumerate(nodes):
        if not isinstance(item, NodeWithScore):
            raise TypeError(
                f"nodes[{index}] is a {type(item).__name__}; expected a NodeWithScore, as a "
                "retriever returns it: NodeWithScore(node=TextNode(text=…))."
            )
    return [
        Passage(
            text_of(item.node),
            title=_heading_of(item.node, metadata_mode),
            url=url_of(item.node),
        )
        for item in nodes
    ]


def text_of(node: BaseNode) -> str:
    """Return the node's text without metadata, which all offsets refer to."""
    return node.get_content(metadata_mode=MetadataMode.NONE)


def title_of(node: BaseNode) -> str | None:
    """Return the title to show beside a reference, or the name of the file."""
    return _first_string(node, (*_TITLE_KEYS, "file_name"))


def url_of(node: BaseNode) -> str | None:
    """Return where the node came from: its metadata's ``url``, ``source`` or ``file_path``."""
    return _first_string(node, _URL_KEYS)


def document_span(node: BaseNode, start: int, end: int) -> tuple[int, int] | None:
    """Return where characters of a node's text lie in the document that it was cut from.

    ``None`` where the node does not say, or where its text is not as long as it says.
    """
    first: int | None = getattr(node, "start_char_idx", None)
    last: int | None = getattr(node, "end_char_idx", None)
    if first is None or last is None or last - first != len(text_of(node)):
        return None
    return first + start, first + end


def _heading_of(node: BaseNode, metadata_mode: MetadataMode) -> str | None:
    if metadata_mode is not MetadataMode.NONE:
        return node.get_metadata_str(mode=metadata_mode).strip() or None
    hidden = node.excluded_llm_metadata_keys
    return _first_string(node, (key for key in _TITLE_KEYS if key not in hidden))


def _first_string(node: BaseNode, keys: Iterable[str]) -> str | None:
    values = (node.metadata.get(key) for key in keys)
    return next((value for value in values if isinstance(value, str) and value.strip()), None)
