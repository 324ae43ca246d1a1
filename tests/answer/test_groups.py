"""Groups of sources: what is shared out among copies adds up again."""

import torch

from at2_rag import Passage
from at2_rag.answer.groups import Groups
from at2_rag.documents.sources import Source, split_passage

PASSAGES = [Passage("One is. Two is."), Passage("Three is."), Passage("One is. Two is.")]
SOURCES = tuple(s for i, p in enumerate(PASSAGES) for s in split_passage(p, i, "sentence"))


def test_scores_of_groups_add_up():
    groups = Groups.of(SOURCES, PASSAGES, "sentence")
    scores = torch.tensor([0.1, 0.2, 0.3, 0.4, -0.5])
    total = groups.total(scores)
    torch.testing.assert_close(total, torch.tensor([0.5, -0.3, 0.3, 0.0, 0.0]))
    torch.testing.assert_close(total.sum(), scores.sum())
    torch.testing.assert_close(groups.best(scores), torch.tensor([0.4, 0.2, 0.3, 0.0, 0.0]))
    assert [groups.copies(i) for i in range(5)] == [(SOURCES[3],), (SOURCES[4],), (), (), ()]


def test_words_tokens_and_thoughts_have_no_copies():
    for unit in ("word", "token"):
        assert Groups.of(SOURCES, PASSAGES, unit).originals == tuple(range(5))
    thoughts = Passage("One is. Two is.", kind="thought")
    sources = (*SOURCES, Source(3, 0, 7, "One is."))
    assert Groups.of(sources, [*PASSAGES, thoughts], "sentence").originals == (0, 1, 2, 0, 1, 5)


def test_nothing_has_no_groups():
    groups = Groups.of((), (), "sentence")
    assert groups.total(torch.zeros(0)).shape == groups.best(torch.zeros(0)).shape == (0,)
