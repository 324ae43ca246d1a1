"""A page carries all that it needs, and nothing in its data can leave it."""

import json
import re
import zlib
from base64 import b64decode
from html import unescape

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from at2_rag.view.numbers import PackedTable
from at2_rag.view.page import embedded, framed, page


@given(st.text())
def test_data_end_no_script_and_are_the_same_again(text):
    found = embedded({"a": [text, "</script><!--"]})
    assert not set("<>&\u2028\u2029") & set(found)
    assert json.loads(found) == {"a": [text, "</script><!--"]}


def test_a_page_loads_nothing():
    html = page("<A> & b", "<main></main>", script="whole_page.js", data={})
    assert "<title>&lt;A&gt; &amp; b</title>" in html
    policy = unescape(re.search(r'Policy" content="([^"]*)"', html)[1])
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")
    assert "src=" not in html
    assert "http" not in html.replace("http-equiv", "")
    assert "script" not in page("A", "").replace("script-src", "")


def test_a_frame_holds_the_very_page():
    html = page("A", "<p title='\"'>&amp;</p>")
    found = framed(html)
    assert unescape(re.search(r'srcdoc="([^"]*)"', found, re.S)[1]) == html
    assert 'sandbox="allow-scripts allow-popups"' in found


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (4, 5), (1, 2, 3)])
def test_tables_are_the_same_up_to_their_steps(shape):
    table = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    packed = PackedTable.of(table)
    raw = zlib.decompress(b64decode(packed.data))
    found = torch.tensor([*memoryview(raw).cast("h")], dtype=torch.float) * packed.scale
    assert packed.to_dict()["shape"] == list(shape)
    torch.testing.assert_close(found.view(shape), table, rtol=0, atol=packed.scale / 2 + 1e-9)


def test_tables_without_numbers():
    assert PackedTable.of(torch.zeros(2, 2)).scale == 0
    odd = PackedTable.of(torch.tensor([float("nan"), 1.0, -2.0]))
    assert odd.scale == pytest.approx(2 / 32767)
