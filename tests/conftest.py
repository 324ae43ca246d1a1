"""Small real models, loaded once."""

import gc
import os
import secrets
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
# What probing a model finds is kept for this run, by all of its processes, and not beside what the
# user has.
os.environ["HF_ASSETS_CACHE"] = os.path.join(
    tempfile.gettempdir(),
    f"at2-rag-tests-{os.environ.get('PYTEST_XDIST_TESTRUNUID') or secrets.token_hex(16)}",
)
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import nltk.data
import pytest
import torch
import transformers
from hypothesis import settings
from support.browser import chromium, launched
from support.golden import NAMES, load_golden, load_model, save_short_model
from support.real_data import real_data

from at2_rag import Reader, ScoreEstimator
from at2_rag.documents.sentences import load_punkt

# No deadlines: a busy machine is no fault. In CI the same cases every time, so that a change is
# judged by what it changed; everybody else's runs go on looking for new ones.
settings.register_profile(
    "suite", max_examples=50, deadline=None, derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("suite")

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
torch.manual_seed(0)
# The models are tiny: a second thread only waits for the first, and slows everything beside it.
torch.set_num_threads(1)


def pytest_terminal_summary(terminalreporter):
    """Say aloud that pages were not looked at; skipped tests are easily overlooked."""
    if chromium() is None:
        terminalreporter.write_line(
            "THERE IS NO BROWSER, so no page was looked at: apt-get install chromium", red=True
        )


def pytest_collection_finish():
    """Leave what was imported out of garbage collection, which else takes seconds of a run."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", params=NAMES)
def golden(request):
    return load_golden(request.param)


@pytest.fixture(scope="session")
def golden_llama():
    return load_golden("llama")


@pytest.fixture(scope="session")
def golden_reader(golden_llama):
    """A reader that writes nonsense, for everything that does not depend on sense."""
    estimator = ScoreEstimator.load(golden_llama.folder)
    return Reader(golden_llama.model, golden_llama.tokenizer, estimator, max_new_tokens=24)


@pytest.fixture(scope="session")
def short_reader(tmp_path_factory):
    """A reader that writes nonsense, with a context of 512 tokens."""
    folder = tmp_path_factory.mktemp("short")
    save_short_model(folder)
    model, tokenizer = load_model(folder)
    return Reader(model, tokenizer, ScoreEstimator.uniform(model), max_new_tokens=16)


@pytest.fixture(scope="session")
def stories_reader():
    """A really trained model of children's stories, with a context of 512 tokens."""
    folder = real_data("stories260K")
    if not hasattr(transformers, "TokenizersBackend"):
        pytest.skip("its tokenizer was saved by a later release of transformers")
    model, tokenizer = load_model(folder)
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
    return Reader(model, tokenizer, ScoreEstimator.uniform(model), max_new_tokens=16)


@pytest.fixture(scope="session")
def demo_reader():
    return Reader.demo()


@pytest.fixture(scope="module")
def browser():
    """A real browser, one for all tests of a process."""
    if chromium() is None:
        pytest.skip("THERE IS NO BROWSER, so no page is looked at: apt-get install chromium")
    pytest.importorskip("playwright", reason="PLAYWRIGHT IS MISSING, so no page is looked at")
    with launched() as found:
        yield found


@pytest.fixture
def not_loaded():
    """Start, and leave, without parameters in memory."""
    load_punkt.cache_clear()
    yield
    load_punkt.cache_clear()


@pytest.fixture
def nltk_data(not_loaded, tmp_path, monkeypatch):
    """A folder of nltk data where one language knows the abbreviation "bzw"."""
    folder = tmp_path / "tokenizers" / "punkt_tab" / "german"
    folder.mkdir(parents=True)
    for name in ("collocations.tab", "sent_starters.txt", "ortho_context.tab"):
        folder.joinpath(name).write_text("", "utf-8")
    folder.joinpath("abbrev_types.txt").write_text("bzw", "utf-8")
    # nltk warns about data that others could have written.
    for path in (folder, folder.parent, folder.parent.parent, tmp_path):
        path.chmod(0o700)
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    return tmp_path
