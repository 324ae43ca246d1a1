"""What must hold of every response, whatever the model says."""

import copy
import json
import re

from support.rounding import close


class Unchanged:
    """Checks that what the caller passed is afterwards deeply what it was before."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.objects = [(id(item), id(item.node)) for item in nodes]
        self.before = copy.deepcopy(nodes)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        assert self.nodes == self.before
        assert [item.node.hash for item in self.nodes] == [i.node.hash for i in self.before]
        assert [(id(item), id(item.node)) for item in self.nodes] == self.objects


def check_response(response, nodes):
    """Check numbers, offsets on both sides, and source nodes."""
    text, at2 = response.response, response.at2
    citations, statements = at2["citations"], at2["statements"]
    check_markers(text, citations, statements)
    assert json.loads(json.dumps(at2)) == at2
    assert response.metadata == {i.node.node_id: i.node.metadata for i in response.source_nodes}
    of_nodes = [c for c in citations if c["kind"] == "passage"]
    first_use = list(dict.fromkeys(c["number"] for c in of_nodes))
    assert first_use == list(range(1, len(first_use) + 1))
    assert len(response.source_nodes) == len(first_use)
    check_others([c for c in citations if c["kind"] != "passage"], text, at2)
    for c in of_nodes:
        assert c["source_id"] is None
        node = nodes[c["node_index"]].node
        source = response.source_nodes[c["number"] - 1]
        assert source.node is node
        assert isinstance(source.score, float)
        assert source is not nodes[c["node_index"]]
        assert c["node_id"] == node.node_id
        assert node.get_content()[c["source_start"] : c["source_end"]] == c["text"]
        assert text[c["start"] : c["end"]] == c["statement"]
    check_blocks(response)


def check_others(citations, text, at2):
    """What is cited beside nodes has no number and no node; thoughts are where it says."""
    for c in citations:
        assert c["number"] is c["node_id"] is c["node_index"] is c["url"] is None
        assert c["source_id"]
        assert text[c["start"] : c["end"]] == c["statement"]
        if c["kind"] == "thought":
            thoughts = at2["thoughts"]["text"]
            assert thoughts[c["source_start"] : c["source_end"]] == c["text"]


def check_same(response, other):
    """Check that two responses differ at most in the last digits of scores.

    While it streams, the model computes these in another order.
    """
    assert _scores(response) == close(_scores(other))
    assert _without_scores(response) == _without_scores(other)


def _scores(response):
    scores = [c["score"] for c in response.at2["citations"]]
    return scores + [item.score for item in response.source_nodes]


def _without_scores(response):
    citations = [{**c, "score": None} for c in response.at2["citations"]]
    nodes = [item.node for item in response.source_nodes]
    return response.response, nodes, response.metadata, {**response.at2, "citations": citations}


def check_markers(text, citations, statements):
    """Without the markers of its statements, the text has none; each has those it is said to."""
    done, plain = 0, ""
    for s in statements:
        assert text[s["start"] : s["end"]] == s["text"]
        marker = "".join(f"[{n}]" for n in s["numbers"])
        assert text[s["end"] :].startswith(marker)
        assert s["numbers"] == sorted(
            {
                c["number"]
                for c in citations
                if (c["start"], c["end"]) == (s["start"], s["end"]) and c["number"]
            }
        )
        plain += text[done : s["end"]]
        done = s["end"] + len(marker)
    plain += text[done:]
    assert not re.search(r"\[\d+\]", plain)
    return plain


def check_blocks(response):
    for c, block in zip(response.at2["citations"], response.citation_blocks, strict=True):
        assert block.cited_content.text == c["text"]
        assert block.source == (c["node_id"] or c["source_id"])
        assert block.title == (c["title"] or ("" if c["kind"] == "passage" else c["kind"]))
        places = block.additional_location_info
        assert all(places.get(key) == c[key] for key in ("number", "start", "end", "source_start"))
        assert all(isinstance(place, int) for place in places.values())
