"""What is drawn is the text, cut where spans begin and end, and nothing in it is markup."""

from html.parser import HTMLParser
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st
from support.markdown import documents
from support.texts import texts

from at2_rag.view.blocks import Run, blocks_of
from at2_rag.view.drawing import Drawing, visible
from at2_rag.view.layers import Layer

VOID = {"hr"}


class Page(HTMLParser):
    """Collects what is shown, and what the element around each piece says of it."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.pieces = [], set(), []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, text):
        told = {}
        for _, attributes in self.open:
            told |= attributes
        self.pieces.append((text, told))

    @property
    def text(self):
        return "".join(text for text, _ in self.pieces)


@st.composite
def drawn(draw, kinds=documents | texts):
    text = draw(kinds)
    place = st.integers(0, len(text))
    spans = draw(st.lists(st.tuples(place, place).map(sorted).map(tuple), max_size=5))
    edges = sorted(set(draw(st.lists(place, max_size=4))))
    return text, spans, list(pairwise(edges))


def shown(text, markdown):
    def runs(nodes):
        for node in nodes:
            yield from [node] if isinstance(node, Run) else runs(node.children)

    return list(runs(blocks_of(text, markdown=markdown)))


@given(drawn(), st.booleans())
@example(("**A b. C** d.", [(0, 6)], [(0, 6), (7, 13)]), True)
@example(("`a` ```\nb\n```", [(0, 1)], [(0, 3)]), True)
@example(("\n\r\n", [(0, 2)], []), False)
def test_all_that_is_shown_is_drawn_and_cut_at_every_span(given_, markdown):
    text, spans, groups = given_
    layer = Layer.of(enumerate(spans))
    marks = [(end, f"<i>{number}</i>") for number, (_, end) in enumerate(groups)]
    page = Page(Drawing({"s": layer}, groups, inserts=marks, markdown=markdown).draw(text))
    own = [(piece, told) for piece, told in page.pieces if page.tags and piece]
    whole = "".join(visible(run.text) for run in shown(text, markdown))
    numbers = "".join(str(number) for number in range(len(groups)))
    left = "".join(piece for piece, _ in own)
    assert sorted(left) == sorted(whole + numbers)
    assert page.tags.isdisjoint({"script", "b", "div2", "img", "br"})


@given(drawn(texts))
def test_each_piece_says_which_spans_are_over_it(given_):
    text, spans, _ = given_
    page = Page(Drawing({"s": Layer.of(enumerate(spans))}, markdown=False).draw(text))
    told = []
    for piece, attributes in page.pieces:
        told += [attributes.get("data-s", "")] * len(piece)
    if len(told) == len(text):  # no line end of two characters became one
        for place, over in enumerate(told):
            wanted = [n for n, (a, b) in enumerate(spans) if a <= place < b]
            assert over == " ".join(map(str, wanted))


def test_statements_are_one_element_where_they_can_be():
    text = "One **bold. Two** ends. Three `x` here."
    groups = [(0, 11), (12, 23), (24, 39)]
    html = Drawing(groups=groups, group_attributes={1: {"id": "two"}}).draw(text)
    assert html == (
        '<p><span class="group" data-g="0">One </span><strong>'
        '<span class="group" data-g="0">bold.</span> '
        '<span class="group" data-g="1" id="two">Two</span></strong>'
        '<span class="group" data-g="1"> ends.</span> '
        '<span class="group" data-g="2">Three <code>x</code> here.</span></p>'
    )


def test_what_is_put_in_stays_out_of_code_and_links():
    def put(text, position):
        return Drawing(inserts=[(position, "<i></i>")]).draw(text)

    assert put("A `b.` c", 5) == "<p>A <code>b.</code><i></i> c</p>"
    assert "</a><i></i>" in put("[a](http://x.org) b", 2)
    code = put("```\na. b\n```", 6)
    assert code == '<pre><code>a. b</code></pre><p class="behind"><i></i></p>'
    assert put("| a |\n|---|\n| b. |", 16).endswith("<td>b.<i></i></td></tr></tbody></table></div>")
    assert Drawing(inserts=[(0, "<i></i>")]).draw("a") == "<i></i><p>a</p>"


def test_layers_lie_over_each_other():
    layer = Layer.of([(7, (0, 4)), (3, (2, 6)), (9, (6, 6))])
    assert [layer.at(place) for place in range(7)] == [
        (7,), (7,), (3, 7), (3, 7), (3,), (3,), (),
    ]  # fmt: skip
