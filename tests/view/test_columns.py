"""Methods beside one another: shares of the highest, and only what some method makes much of."""

from hypothesis import given
from hypothesis import strategies as st

from at2_rag.view.columns import LEAST_SHOWN, Column, Sources, columns_html


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8))
def test_shares_are_of_the_highest_score(scores):
    shares = Column.of("a", scores).shares
    if max(scores) > 0:
        assert max(shares) == 1
        assert shares.index(1) == scores.index(max(scores))
        assert all(
            (share > 0) == (score > 0) or score < 1e-300
            for share, score in zip(shares, scores, strict=True)
        )
    else:
        assert shares == [0] * len(scores)


def test_the_darkest_of_spans_over_each_other_is_shown():
    sources = Sources([("T <b>", "abcd")], [(0, (0, 3)), (0, (1, 2)), (0, (3, 4))])
    column = Column("m <i>", [0.5, 1.0, 0.0], "LDS")
    assert columns_html(sources, [column], [0]) == (
        '<div class="methods"><article class="method"><h3>m &lt;i&gt;</h3>'
        '<p class="quiet">LDS</p><div class="shown" data-p="0"><h4 dir="auto">T &lt;b&gt;</h4>'
        '<div class="text" dir="auto"><p class="plain">'
        '<span data-s="0" style="--s:0.500" title="0.50" class="lit">a</span>'
        '<span data-s="0 1" style="--s:1.000" title="1.00" class="lit hit">b</span>'
        '<span data-s="0" style="--s:0.500" title="0.50" class="lit">c</span>'
        '<span data-s="2">d</span></p></div></div></article></div>'
    )


def test_passages_are_worth_showing_for_any_method():
    sources = Sources([("A", "a"), ("B", "b"), ("C", "c")], [(0, (0, 1)), (1, (0, 1)), (2, (0, 1))])
    columns = [Column("m", [1.0, LEAST_SHOWN / 2, 0.0]), Column("n", [0.0, 0.0, LEAST_SHOWN])]
    assert sources.worth_showing(columns) == [0, 2]
    assert columns_html(sources, columns, [0, 1], hidden=[1]).count(" hidden>") == 2
