"""The demo reader, loaded once, and data to ask it about."""

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

from pathlib import Path

import pytest
import torch
import transformers
from at2_rag import Reader, ScoreEstimator
from at2_rag.estimators.probed import ProbedEstimator
from hypothesis import settings
from support.runs import silent

from at2_rag_experiments.fitting.pool import PoolConfig, gather

TESTS = Path(__file__).parent

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


def pytest_collection_finish():
    """Leave what was imported out of garbage collection, which else takes seconds of a run."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def demo_reader():
    return Reader.demo()


@pytest.fixture(scope="session")
def plain_reader(demo_reader):
    """The same without an estimator: sources are scored by average attention."""
    uniform = ScoreEstimator.uniform(demo_reader.model)
    return Reader(demo_reader.model, demo_reader.tokenizer, uniform)


@pytest.fixture(scope="session")
def probed_reader(demo_reader):
    """The same as if its heads had been found by probing it."""
    coefficients = ScoreEstimator.uniform(demo_reader.model).tensors()["coefficients"]
    probed = ProbedEstimator(coefficients)
    return Reader(demo_reader.model, demo_reader.tokenizer, probed)


@pytest.fixture(scope="session")
def checkout():
    """The folder that the core and the packages beside it lie in."""
    return TESTS.parents[1]


@pytest.fixture(scope="session")
def made_up():
    """The folder of made-up rows, a file for each data set."""
    return TESTS / "data"


@pytest.fixture(scope="session")
def real_data(checkout):
    """Return a file of real data by its path in the folder of them; skip where it is not there."""
    folder = Path(os.environ.get("AT2_DATA") or checkout.parent / "shared" / "data")

    def find(name):
        path = folder / name
        if not path.is_file():
            pytest.skip(f"{path} is not there; AT2_DATA names the folder of real data")
        return path

    return find


@pytest.fixture(scope="session")
def hotpot(real_data):
    """100 HotpotQA development questions with ten passages each, as a config names them."""
    return f"hotpot_qa={real_data('hotpotqa_dev_100.json')}"


@pytest.fixture(scope="session")
def pool_config(tmp_path_factory):
    """A small pool of its own, with all that estimators of any kind are fitted to."""
    return PoolConfig(
        examples=8,
        held_out=4,
        num_passages=(2, 2),
        max_new_tokens=20,
        num_ablations=8,
        steps=30,
        network_steps=2,
        pool=str(tmp_path_factory.mktemp("pool")),
    )


@pytest.fixture(scope="session")
def pool(pool_config, demo_reader, tmp_path_factory):
    return gather(pool_config, demo_reader, tmp_path_factory.mktemp("results"), silent)
