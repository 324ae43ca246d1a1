"""Worlds as nodes."""

from itertools import pairwise

from llama_index.core.schema import NodeRelationship, NodeWithScore, TextNode


def nodes_of(example):
    """Return a world's passages as nodes, with everything a node can carry."""
    made = []
    for index, passage in enumerate(example.passages):
        node = TextNode(
            id_=f"node-{index}",
            text=passage.text,
            metadata={"title": passage.title, "url": f"https://example.org/{index}", "page": index},
            excluded_embed_metadata_keys=["url"],
            start_char_idx=100 * index,
            end_char_idx=100 * index + len(passage.text),
        )
        made.append(node)
    for before, after in pairwise(made):
        after.relationships[NodeRelationship.PREVIOUS] = before.as_related_node_info()
    return made


def scored(nodes):
    return [NodeWithScore(node=node, score=0.9 - index / 10) for index, node in enumerate(nodes)]
