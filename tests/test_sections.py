"""Sections: what is in a row can be had by name, whatever is empty."""

from hypothesis import given
from hypothesis import strategies as st

from at2_rag.sections import Sections

names = st.sampled_from(["passages", "conversation", "thoughts", "prompt", "response"])


@given(st.dictionaries(names, st.lists(st.integers(), max_size=4)))
def test_every_section_holds_what_was_put_into_it(given_sections):
    sections = Sections.of(**given_sections)
    assert list(sections) == [item for items in given_sections.values() for item in items]
    assert len(sections) == len(sections.items)
    seen = 0
    for name, items in given_sections.items():
        assert list(sections[name]) == items
        assert list(sections.indices(name)) == list(range(seen, seen + len(items)))
        assert sections.items[sections.places[name]] == sections[name]
        seen += len(items)
        assert sections.items[sections.until(name)] == sections.items[:seen]
