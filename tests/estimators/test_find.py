"""``estimator="auto"``: where coefficients are found, and what happens when they cannot be had."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import warnings
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants, file_download
from huggingface_hub.file_download import repo_folder_name
from hypothesis import given
from hypothesis import strategies as st
from support.golden import load_golden
from support.places import LLAMA, REPOSITORY
from typer.testing import CliRunner

from at2_rag import LinearEstimator, NoHeadsWarning, ScoreEstimator, UnsupportedModelError
from at2_rag.cli.app import app
from at2_rag.estimators.download import HubAccess
from at2_rag.estimators.files import FILES, LAYOUTS
from at2_rag.estimators.find import ThoughtEstimatorWarning, auto_estimator, resolve_estimator
from at2_rag.known_estimators import (
    PUBLISHED_ESTIMATORS,
    THOUGHT_ESTIMATORS,
    hub_id,
    namesake,
    published_estimator,
)
from at2_rag.model.loading import load_estimator

QWEN = "Qwen/Qwen2.5-7B-Instruct"
QWEN_REPO = "madrylab/at2-qwen2.5-7b-instruct"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PUBLISHED_FILE = LLAMA / "score_estimator.pt"
#: How long a hub hangs that does, in seconds; nobody waits for that, however busy the machine is.
HANGS = 1200
#: Where the hub need not be heard: short enough to wait for.
QUICK = HubAccess(answer_seconds=1.0, download_seconds=1.0)
#: Where no limit is to be met: a busy machine is no fault.
PATIENT = HubAccess(answer_seconds=60.0, download_seconds=60.0)
#: Where one limit is met for certain, however short it is.
NO_ANSWER = HubAccess(answer_seconds=0.2, download_seconds=60.0)
NO_DOWNLOAD = HubAccess(answer_seconds=60.0, download_seconds=0.2)

parts = st.from_regex(r"\A[a-zA-Z0-9]([a-zA-Z0-9._-]{0,8}[a-zA-Z0-9_])?\Z")
ids = (parts | st.tuples(parts, parts).map("/".join)).filter(
    lambda name: "--" not in name and ".." not in name
)


def resolve(model, access=None):
    return resolve_estimator(model, load_golden("llama").tokenizer, access)


@pytest.fixture
def model(golden_llama, monkeypatch):
    """A model of 3 layers of 4 heads that says it came from the hub."""
    monkeypatch.setattr(golden_llama.model.config, "name_or_path", QWEN)
    return golden_llama.model


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The hub's cache, empty."""
    root = tmp_path / "hub"
    root.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(root))
    return root


def put(cache, repo_id, *files):
    """Put files into the hub's cache as its client does: blobs, and links to them."""
    folder = cache / repo_folder_name(repo_id=repo_id, repo_type="model")
    snapshot = folder / "snapshots" / COMMIT
    for part in (folder / "blobs", folder / "refs", snapshot):
        part.mkdir(parents=True, exist_ok=True)
    (folder / "refs/main").write_text(COMMIT)
    for file in files:
        shutil.copyfile(file, folder / "blobs" / f"blob-{file.name}")
        (snapshot / file.name).symlink_to(Path("../../blobs") / f"blob-{file.name}")
    return snapshot


def coefficients(value, **metadata):
    return LinearEstimator(torch.full((3, 4), value), metadata=metadata)


def saved(folder, value, **metadata):
    """Return the files of an estimator whose coefficients are all this value."""
    coefficients(value, **metadata).save(folder)
    return [folder / name for name in LAYOUTS[0]]


def learned_on(name):
    return {"collected": {"model": {"name": name}}}


class Hub(ThreadingHTTPServer):
    """What the hub would do, on loopback: files of one folder, or trouble."""

    daemon_threads = True

    def __init__(self, files=None, trouble=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.trouble, self.asked = files, trouble, []
        self.reached, self.closing, self.failures = threading.Event(), threading.Event(), []

    def handle_error(self, request, client_address):
        """Stay silent when whoever asked has given up."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            self.failures.append(sys.exc_info()[1])


class _Handler(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self._reply()

    def do_GET(self):
        self._reply()

    def _reply(self):
        self.server.asked.append((self.command, self.path))
        self.server.reached.set()
        trouble, a_file = self.server.trouble, "/resolve/" in self.path
        hangs = {
            "hang": True,
            "hang when asked": a_file,
            "hang at the file": a_file and self.command == "GET",
        }
        if hangs.get(trouble):
            self.server.closing.wait(HANGS)
            return
        file = (self.server.files or Path("/nowhere")) / self.path.split("/")[-1]
        if isinstance(trouble, tuple) or not file.is_file():
            refused = isinstance(trouble, tuple) and a_file
            status, code = trouble if refused else (404, "EntryNotFound")
            self._send(status, b"", {"X-Error-Code": code} if code else {})
            return
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{file.name}"'}
        self._send(200, file.read_bytes(), headers)

    def _send(self, status, body, headers):
        self.send_response(status)
        for name, value in ({"Content-Length": len(body)} | headers).items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "GET":
            return
        if self.server.trouble != "trickle":
            self.wfile.write(body)
            return
        for byte in body:  # no timeout of HTTP sees this
            self.wfile.write(bytes([byte]))
            if self.server.closing.wait(0.2):
                return

    def log_message(self, *args):
        """Leave the terminal alone."""


@contextmanager
def running(hub):
    # It looks so often, in seconds, whether it is to end.
    thread = threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        hub.shutdown()
        hub.server_close()
        assert not hub.failures


@pytest.fixture
def online(cache, monkeypatch):
    """Return a function that lets the hub's client talk to an address."""

    def connect(address):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        for module in (constants, file_download):  # before 1.0, the latter had its own
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)

    return connect


def address_of(hub):
    return f"http://127.0.0.1:{hub.server_port}"


def test_published_are_called_as_their_model_in_lower_case():
    assert len(PUBLISHED_ESTIMATORS) == 5
    for name, repo in PUBLISHED_ESTIMATORS.items():
        assert repo == f"madrylab/at2-{name.split('/')[1].lower()}"
        assert published_estimator(name) == published_estimator(name.upper()) == repo
    assert {"madrylab/at2-deepseek-r1-distill-qwen-7b"} == THOUGHT_ESTIMATORS
    assert published_estimator("Qwen/Qwen2.5-7B") is None


@given(ids, st.sampled_from(["", "/", "/home/a/.cache/", "C:\\cache\\"]))
def test_a_path_into_the_cache_tells_the_model(name, root):
    assert hub_id(name) == name
    folder = repo_folder_name(repo_id=name, repo_type="model")
    assert hub_id(f"{root}{folder}/snapshots/{COMMIT}") == name
    assert hub_id(f"{root}{folder}/snapshots/{COMMIT}/sub/folder") == name
    assert hub_id(f"{root}{folder}\\snapshots\\{COMMIT}") == name


@pytest.mark.parametrize(
    "name", ["", "./gone", "/gone", "~/gone", "a/b/c", "at2-rag demo reader", "a--b/c", "..", "é/a"]
)
def test_what_is_no_id_is_none(name):
    assert hub_id(name) is None


def test_a_folder_is_no_model_of_the_hub_whatever_its_name(tmp_path, monkeypatch):
    (tmp_path / QWEN).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert hub_id(QWEN) is None
    assert namesake(QWEN) == namesake("/models/qwen2.5-7b-instruct/") == QWEN
    assert namesake("/models/mine") is None


def test_a_link_into_the_cache_tells_the_model(cache, tmp_path):
    (tmp_path / "link").symlink_to(put(cache, QWEN))
    assert hub_id(str(tmp_path / "link")) == QWEN


def test_files_are_called_as_they_are_saved_and_published(tmp_path):
    coefficients(1.0).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(LAYOUTS[0])
    assert (PUBLISHED_FILE.name,) == LAYOUTS[1]
    assert {*LAYOUTS[0], *LAYOUTS[1]} == set(FILES)


@pytest.mark.parametrize("folder", ["at2_estimator", "."])
def test_an_estimator_beside_the_model_comes_first(model, cache, tmp_path, monkeypatch, folder):
    """Also where the model's folder is one of the cache, with a published estimator in it."""
    put(cache, QWEN_REPO, PUBLISHED_FILE)
    snapshot = put(cache, QWEN)
    monkeypatch.setattr(model.config, "name_or_path", str(snapshot))
    assert resolve(model).origin == QWEN_REPO
    saved(snapshot / folder, 0.5)
    found = resolve(model)
    assert torch.equal(found.estimator.coefficients, torch.full((3, 4), 0.5))
    assert Path(found.origin) == snapshot / folder
    assert (found.problem, found.unlearned) == (None, None)


def test_a_published_file_beside_the_model(model, tmp_path, monkeypatch):
    monkeypatch.setattr(model.config, "name_or_path", str(tmp_path))
    shutil.copy(PUBLISHED_FILE, tmp_path)
    expected = ScoreEstimator.load(PUBLISHED_FILE)
    assert torch.equal(resolve(model).estimator.coefficients, expected.coefficients)


def test_a_cached_estimator_needs_no_hub_and_no_warning(model, cache):
    put(cache, QWEN_REPO, PUBLISHED_FILE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator = auto_estimator(model, load_golden("llama").tokenizer)
        assert torch.equal(
            load_estimator("auto", model, load_golden("llama").tokenizer).coefficients,
            estimator.coefficients,
        )
    expected = ScoreEstimator.load(PUBLISHED_FILE)
    assert torch.equal(estimator.coefficients, expected.coefficients)


def test_another_cache_can_be_named(model, cache, tmp_path):
    put(tmp_path / "other", QWEN_REPO, *saved(tmp_path / "files", 0.25))
    assert resolve(model).origin is None
    access = HubAccess.of({"cache_dir": tmp_path / "other", "dtype": "auto"})
    assert resolve(model, access).origin == QWEN_REPO


def test_own_estimator_in_the_cache_is_used_if_it_says_it_is_for_this_model(
    model, cache, tmp_path, monkeypatch
):
    monkeypatch.setattr(model.config, "name_or_path", "me/Tiny-1B")
    for number, name in enumerate(["you/Tiny-1B", "/home/me/Tiny-1B", None, "me/tiny-1b"]):
        metadata = {} if name is None else learned_on(name)
        files = saved(tmp_path / str(number), 0.5 + number, **metadata)
        put(cache, f"owner{number}/at2-tiny-1b", *files)
    (put(cache, "a/at2-Tiny-1B") / LAYOUTS[0][0]).write_bytes(b"")
    found = resolve(model)
    assert found.origin == "owner3/at2-tiny-1b"
    assert float(found.estimator.coefficients[0, 0]) == 3.5
    shutil.rmtree(cache / "models--owner3--at2-tiny-1b")
    assert "none was found in the hub's cache" in resolve(model).unlearned


def test_half_an_estimator_in_the_cache_is_none(model, cache, tmp_path):
    put(cache, QWEN_REPO, saved(tmp_path / "files", 0.5)[0])
    assert "has not been downloaded" in resolve(model).unlearned


def test_the_hub_is_asked_once_and_then_the_cache(model, online, tmp_path):
    saved(tmp_path / "files", 0.5)
    with running(Hub(tmp_path / "files")) as hub:
        online(address_of(hub))
        found = resolve(model)
    assert (found.origin, found.unlearned) == (QWEN_REPO, None)
    assert float(found.estimator.coefficients[0, 0]) == 0.5
    files = [path for _, path in hub.asked if "/resolve/" in path]
    assert {path.split("/resolve/")[0] for path in files} == {f"/{QWEN_REPO}"}
    # Nobody listens any more.
    assert resolve(model, PATIENT).origin == QWEN_REPO


def test_files_published_with_the_paper_come_from_the_hub(model, online):
    with running(Hub(PUBLISHED_FILE.parent)) as hub:
        online(address_of(hub))
        found = resolve(model)
    expected = ScoreEstimator.load(PUBLISHED_FILE)
    assert torch.equal(found.estimator.coefficients, expected.coefficients)


def test_a_thought_estimator_says_what_it_was_learned_on(model, cache, monkeypatch):
    name, repo = "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", next(iter(THOUGHT_ESTIMATORS))
    monkeypatch.setattr(model.config, "name_or_path", name)
    put(cache, repo, PUBLISHED_FILE)
    with pytest.warns(ThoughtEstimatorWarning, match="learned on which of its thoughts") as caught:
        estimator = auto_estimator(model, load_golden("llama").tokenizer)
    assert len(caught) == 1
    assert estimator.kind == "linear"


def check_fallback(model, problem, access=QUICK):
    """The model is probed, long before the hub has done what it hangs in, and why is kept."""
    start = time.monotonic()
    found = resolve(model, access)
    assert time.monotonic() - start < HANGS - 100
    assert re.search(problem, found.unlearned), found.unlearned
    assert found.origin is None
    assert found.estimator.metadata["probed"]["version"]


def test_a_model_without_heads_that_read_says_so_once(model, monkeypatch):
    """This one was never trained."""
    monkeypatch.setattr(model.config, "name_or_path", "")
    with pytest.warns(NoHeadsWarning, match="no head finds what an answer goes back to") as caught:
        estimator = auto_estimator(model, load_golden("llama").tokenizer)
    [warning] = caught
    assert warning.filename == __file__
    assert "\n" not in str(warning.message)
    assert estimator.kind == "copying"
    assert not estimator.coefficients.any()
    assert estimator.calibrations == ()


@pytest.mark.parametrize(
    ("trouble", "access", "problem"),
    [
        ("hang", NO_ANSWER, f"the hub, asked for {QWEN_REPO}, took longer than 0.2 seconds"),
        ("hang when asked", NO_ANSWER, f"asked for {QWEN_REPO}, took longer than 0.2 seconds"),
        ("hang at the file", NO_DOWNLOAD, f"download of {QWEN_REPO} took longer than 0.2 seconds"),
        ("trickle", NO_DOWNLOAD, f"the download of {QWEN_REPO} took longer than 0.2 seconds"),
    ],
)
def test_a_hub_that_hangs_is_not_waited_for(model, online, trouble, access, problem):
    with running(Hub(PUBLISHED_FILE.parent, trouble)) as hub:
        online(address_of(hub))
        check_fallback(model, problem, access)
        assert hub.reached.wait(30)


@pytest.mark.parametrize(
    ("trouble", "problem"),
    [
        ((404, "RepoNotFound"), f"the hub has no {QWEN_REPO}, or not for everyone to see"),
        ((401, "RepoNotFound"), f"the hub has no {QWEN_REPO}, or not for everyone to see"),
        ((401, None), QWEN_REPO),
        ((403, "GatedRepo"), f"the hub has no {QWEN_REPO}, or not for everyone to see"),
        ((404, "EntryNotFound"), f"{QWEN_REPO} holds no score estimator"),
        ((500, None), f"{QWEN_REPO} could not be downloaded"),
        # Clients before 1.0 ask again, for longer than anybody waits.
        ((429, None), f"{QWEN_REPO} could not be downloaded|{QWEN_REPO}, took longer"),
    ],
)
def test_trouble_with_the_hub_is_average_attention_and_a_warning(model, online, trouble, problem):
    with running(Hub(PUBLISHED_FILE.parent, trouble)) as hub:
        online(address_of(hub))
        check_fallback(model, problem, QUICK if trouble[0] == 429 else PATIENT)
    assert hub.asked


def test_nobody_listening(model, online):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    online(f"http://127.0.0.1:{port}")
    check_fallback(model, f"{QWEN_REPO} could not be downloaded|took longer than 1 seconds")


def test_a_hub_that_has_no_address(model, online):
    online("http://hub.invalid")
    check_fallback(model, f"{QWEN_REPO} could not be downloaded|took longer than 1 seconds")


@pytest.mark.parametrize("where", ["hub", "cache", "beside"])
@pytest.mark.parametrize("kind", ["no pickle", "another shape", "nonsense"])
def test_files_that_cannot_be_used(model, online, cache, tmp_path, monkeypatch, where, kind):
    files = tmp_path / "files"
    files.mkdir()
    if kind == "another shape":
        LinearEstimator(torch.ones(7, 2)).save(files)
        problem = "for 7 layers of 2 heads, and the model has 3 layers of 4 heads"
    elif kind == "no pickle":
        (files / "score_estimator.pt").write_bytes(PUBLISHED_FILE.read_bytes()[:100])
        problem = "is no published score estimator"
    else:
        saved(files, 0.5)
        (files / LAYOUTS[0][0]).write_bytes(b"\x00" * 50)
        problem = "cannot be read"
    with running(Hub(files)) as hub:
        online(address_of(hub))
        if where == "cache":
            put(cache, QWEN_REPO, *files.iterdir())
        if where == "beside":
            monkeypatch.setattr(model.config, "name_or_path", str(files))
        check_fallback(model, problem, PATIENT)
    assert bool(hub.asked) == (where == "hub")


@pytest.mark.parametrize("how", ["offline", "local files only", "unknown model", "unknown folder"])
def test_a_hub_that_need_not_or_may_not_be_asked_is_not(model, online, tmp_path, monkeypatch, how):
    access, problem = QUICK, "HF_HUB_OFFLINE or local_files_only is set"
    with running(Hub(PUBLISHED_FILE.parent)) as hub:
        online(address_of(hub))
        if how == "offline":
            monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        elif how == "local files only":
            access = replace(QUICK, local_files_only=True)
        elif how == "unknown model":
            monkeypatch.setattr(model.config, "name_or_path", "me/tiny")
            problem = "none is published for this model"
        else:
            folder = tmp_path / "qwen2.5-7b-instruct"
            folder.mkdir()
            monkeypatch.setattr(model.config, "name_or_path", str(folder))
            problem = f"if it is {QWEN}, estimator='{QWEN_REPO}' is for it"
        check_fallback(model, problem, access)
    assert not hub.asked


def test_a_model_from_nowhere(model, monkeypatch):
    monkeypatch.setattr(model.config, "name_or_path", "")
    check_fallback(model, "the model does not say where it was loaded from")


def test_a_model_that_cannot_be_recorded_is_still_refused():
    from transformers import BloomConfig, BloomForCausalLM

    config = BloomConfig(vocab_size=64, hidden_size=16, n_layer=1, n_head=2)
    with pytest.raises(UnsupportedModelError):
        auto_estimator(BloomForCausalLM(config), load_golden("llama").tokenizer)


def test_python_exits_while_the_hub_hangs(tmp_path):
    """What was left behind must not be waited for."""
    code = (
        "from at2_rag.estimators.download import FetchError, HubAccess, fetch_estimator\n"
        "try:\n"
        f"    fetch_estimator({QWEN_REPO!r}, HubAccess(None, None, False, 1.0, 1.0))\n"
        "except FetchError as error:\n"
        "    print(error)\n"
    )
    for trouble in ("hang", "hang at the file"):
        with running(Hub(PUBLISHED_FILE.parent, trouble)) as hub:
            env = {"HF_ENDPOINT": address_of(hub), "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
            done = subprocess.run(
                [sys.executable, "-c", code],
                env=os.environ | env,
                cwd=REPOSITORY,
                capture_output=True,
                text=True,
                timeout=HANGS - 100,
            )
        assert "took longer than 1 seconds" in done.stdout
        assert done.returncode == 0


def ask(folder, *args):
    arguments = ["ask", "Who?", "-p", str(folder / "a.txt"), "-m", str(folder / "model")]
    result = CliRunner(env={"COLUMNS": "80"}).invoke(
        app, [*arguments, "--max-new-tokens", "4", "--json", *args]
    )
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), result.stderr


def test_on_the_command_line(tmp_path):
    shutil.copytree(LLAMA / "model", tmp_path / "model")
    (tmp_path / "a.txt").write_text("The mill is red. The town is small.", encoding="utf-8")
    average, notes = ask(tmp_path, "--estimator", "average")
    assert average["estimator"] == "uniform"
    assert notes.splitlines()[0] == "note: scored by: average attention"
    answer, notes = ask(tmp_path, "--estimator", "auto")
    assert answer["estimator"] == "copying"
    assert notes.count("scored by: attention to equal tokens, since probing found no heads") == 1
    assert "no head finds" not in notes  # info tells it
    info = CliRunner().invoke(app, ["info", str(tmp_path / "model"), "--json"])
    assert json.loads(info.stdout)["estimator"].startswith("probed: no head finds what an answer")
    saved(tmp_path / "model/at2_estimator", 0.5)
    learned, notes = ask(tmp_path, "--estimator", "auto")
    assert learned["estimator"] == "linear"
    assert f"scored by: learned estimator {tmp_path}/model/at2_estimator" in notes
    info = CliRunner().invoke(app, ["info", str(tmp_path / "model"), "--json"])
    assert json.loads(info.stdout)["estimator"] == str(tmp_path / "model/at2_estimator")
