"""Publishing an estimator: what its card says, and what is really sent."""

import base64
import json
import re
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
import yaml
from huggingface_hub import constants, utils
from huggingface_hub.errors import HfHubHTTPError
from support.places import DEMO_MODEL, REPOSITORY

from at2_rag import Answer, AttentionShape, LinearEstimator, NetworkEstimator, ScoreEstimator
from at2_rag.estimators import Calibration, Reliability, SourceNetwork
from at2_rag.estimators.publish import make_card
from at2_rag.model.loading import load_demo_estimator
from at2_rag.training import collect, fit, load_collected, world_examples

REPO = "someone/at2-tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
HOME = "/home/somebody/secret/Tiny-1B"


def estimator(**metadata):
    return LinearEstimator(torch.arange(6.0).view(2, 3), metadata=metadata)


def copying():
    return LinearEstimator(torch.ones(2, 3), copying=torch.ones(2, 3))


def uniform():
    return LinearEstimator.uniform_of(AttentionShape(2, 3))


def network():
    return NetworkEstimator(SourceNetwork(AttentionShape(2, 3), mixtures=2, width=4))


def card_of(estimator, repo_id, **options):
    return make_card(estimator.record, estimator.shape, repo_id, **options)


def quality(lds, pearson=0.3):
    return {"lds": lds, "lds_error": 0.01, "pearson": pearson, "pearson_error": None}


def is_private(created):
    """Older clients say it one way, newer ones the other."""
    return created.get("private") is True or created.get("visibility") == "private"


def parts(card):
    """Return the YAML header and the text."""
    start, header, text = card.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(header), text


class Hub(ThreadingHTTPServer):
    """The few pages of the hub that an upload needs, on loopback; keeps what it is sent."""

    daemon_threads = True

    def __init__(self, large=(), refuses=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.large, self.refuses = large, refuses
        self.created, self.files, self.commits, self.stored = [], {}, [], {}
        self.tokens = set()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if "/revision/" in self.path:  # clients before 1.0 ask how large files are stored
            return self._send({"id": REPO, "xetEnabled": False})
        return self._send({}, 404)

    def do_PUT(self):
        self.server.stored[self.path.rsplit("/", 1)[1]] = self._body()
        self._send({})

    def do_POST(self):
        body = self._body()
        self.server.tokens.add(self.headers.get("Authorization"))
        path = self.path.partition("?")[0]
        if self.server.refuses and self.server.refuses in path:
            return self._send({"error": "not yours"}, 403)
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return self._send({"errors": [], "warnings": []})
        if "/preupload/" in path:
            return self._send({"files": [self._mode(f) for f in json.loads(body)["files"]]})
        if path.endswith("/info/lfs/objects/batch"):
            return self._batch(json.loads(body))
        if "/commit/" in path:
            return self._commit(path, body)
        return self._send({}, 404)

    def _create(self, asked):
        self.server.created.append(asked)
        owner = asked.get("organization") or "me"
        name = f"{owner}/{asked['name']}"
        self._send({"url": f"{self.server.address}/{name}", "name": name})

    def _mode(self, file):
        mode = "lfs" if file["path"].endswith(self.server.large) else "regular"
        return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}

    def _batch(self, asked):
        objects = [
            {
                "oid": o["oid"],
                "size": o["size"],
                "actions": {"upload": {"href": f"{self.server.address}/store/{o['oid']}"}},
            }
            for o in asked["objects"]
        ]
        self._send({"transfer": "basic", "objects": objects})

    def _commit(self, path, body):
        lines = [json.loads(line) for line in body.decode().splitlines()]
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.server.commits.append((path, value["summary"]))
            elif line["key"] == "file":
                self.server.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.server.files[value["path"]] = self.server.stored[value["oid"]]
        url = f"{self.server.address}/{REPO}/commit/{COMMIT}"
        self._send({"success": True, "commitOid": COMMIT, "commitUrl": url})

    def _body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _send(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Leave the terminal alone."""


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub whose client talks to it, and to nobody else."""
    server = Hub()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    # Before 1.0, sessions were kept that had been offline from the first.
    getattr(utils, "reset_sessions", lambda: None)()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


# The hub's client sends large files in a way that its own HTTP library would like changed.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("large", [(), (".safetensors",)])
def test_what_is_sent_is_the_estimator_and_its_card(hub, tmp_path, large):
    hub.large = large
    sent = estimator(note="ä", collected={"model": {"name": "someone/Tiny-1B"}})
    info = sent.push_to_hub(REPO, token="hf_secret", license="mit", commit_message="Better")
    assert info.commit_url == f"{hub.address}/{REPO}/commit/{COMMIT}"
    assert hub.tokens == {"Bearer hf_secret"}
    assert hub.commits == [(f"/api/models/{REPO}/commit/main", "Better")]
    assert [(c["name"], c.get("organization")) for c in hub.created] == [("at2-tiny", "someone")]
    assert not is_private(hub.created[0])
    assert bool(hub.stored) == bool(large)
    sent.save(tmp_path)
    expected = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    card = card_of(sent, REPO, license="mit")
    assert hub.files == {**expected, "README.md": card.encode()}
    for name, content in hub.files.items():
        (tmp_path / name).write_bytes(content)
    received = ScoreEstimator.load(tmp_path)
    assert torch.equal(received.coefficients, sent.coefficients)
    assert received.metadata == sent.metadata


def test_private_branch_and_own_name(hub):
    copying().push_to_hub("at2-tiny", private=True, token="t", revision="trial", card="# Mine\n")
    assert is_private(hub.created[0])
    assert hub.commits[0][0] == "/api/models/me/at2-tiny/commit/trial"
    assert hub.files["README.md"] == b"# Mine\n"
    copying().push_to_hub("at2-tiny", token="t")
    assert b'estimator="me/at2-tiny"' in hub.files["README.md"]


def test_no_path_of_this_machine_is_published(hub):
    sent = estimator(collected={"model": {"name": HOME, "layers": 2}, "seed": 1})
    sent.push_to_hub(REPO, token="t")
    assert b"somebody" not in b"".join(hub.files.values())
    config = json.loads(hub.files["score_estimator.json"])
    assert config["metadata"]["collected"] == {"model": {"name": "Tiny-1B", "layers": 2}, "seed": 1}
    assert "base_model" not in parts(hub.files["README.md"].decode())[0]
    sent.push_to_hub(REPO, token="t", base_model="someone/Tiny-1B")
    config = json.loads(hub.files["score_estimator.json"])
    assert config["metadata"]["collected"]["model"]["name"] == "someone/Tiny-1B"
    assert sent.metadata["collected"]["model"]["name"] == HOME


@pytest.mark.parametrize("refuses", ["create", "preupload", "commit"])
def test_a_hub_that_refuses_is_an_error(hub, refuses):
    hub.refuses = refuses
    with pytest.raises(HfHubHTTPError, match="403"):
        estimator().push_to_hub(REPO, token="t")
    assert not hub.files


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (estimator, "how much each of them counts is learned"),
        (copying, "a token that is the very one being generated"),
        (uniform, "nothing in it is learned"),
        (network, "a small network that sees all sources of an answer at once"),
    ],
)
def test_the_card_tells_kind_and_shape(made, words):
    made = made()
    header, text = parts(card_of(made, REPO, base_model="someone/Tiny-1B", license="mit"))
    assert header["library_name"] == "at2-rag"
    assert header["base_model"] == "someone/Tiny-1B"
    assert header["license"] == "mit"
    assert f"at2-{made.kind}" in header["tags"]
    assert words in text
    assert f"- kind: `{made.kind}`\n- shape: 2 layers × 3 heads\n" in text
    assert f'from_pretrained("someone/Tiny-1B", estimator="{REPO}")' in text


def test_what_is_not_known_is_not_said():
    header, text = parts(card_of(estimator(), REPO))
    assert not {"base_model", "license"} & header.keys()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["How to use it"]
    assert "None" not in text
    strange = {"fit": 3, "metrics": {"fitted": None}, "collected": []}
    assert parts(card_of(estimator(**strange), REPO))[1] == text


def test_the_card_tells_the_figures():
    metrics = {
        "training_examples": 80,
        "held_out_examples": 20,
        "held_out_is_training": False,
        "fitted": quality(0.5),
        "average": quality(0.25, None),
        "fitted_dependent": quality(None),
        "average_dependent": quality(None),
    }
    made = {"num_ablations": 32, "source_unit": "token", "seed": 0, "versions": {"torch": "2.13"}}
    options = {"method": "ridge", "steps": None, "non_negative": True, "bias": None, "seed": 7}
    text = card_of(estimator(metrics=metrics, fit=options, collected=made), REPO)
    assert "On 20 held-out examples." in text
    assert "| all | this estimator | 0.500 ± 0.010 | 0.300 |" in text
    assert "| all | average attention | 0.250 ± 0.010 | - |" in text
    assert "| dependent |" not in text
    for line in (
        "ablations of each example: 32",
        "what was ablated: token",
        "seed of the ablations: 0",
        "fitted by: ridge",
        "coefficients kept from becoming negative: yes",
        "seed of the split and the batches: 7",
        "examples learned from: 80",
        "collected with: torch 2.13",
    ):
        assert f"- {line}\n" in f"{text}\n"
    assert "steps" not in text
    assert "flatters" not in text
    chosen = card_of(estimator(metrics=metrics | {"ridge": 0.1}), REPO)
    assert "The ridge's strength was chosen on the same ones, which flatters it a little." in chosen
    flattered = card_of(estimator(metrics=metrics | {"held_out_is_training": True}), REPO)
    assert "On the examples that it was fitted to, so the figures are too good." in flattered
    assert "held-out examples" not in flattered


def test_the_card_tells_what_models_were_asked_with():
    asked = card_of(estimator(prompts=["Read:\n{passages}\n{question}", "b"]), REPO)
    assert r'- asked with: `"Read:\n{passages}\n{question}"`, `"b"`' in asked
    assert "asked with" not in card_of(estimator(prompts=[]), REPO)


def test_the_card_tells_the_calibration():
    made = Calibration(
        unit="sentence",
        effect=0.5,
        citations=Reliability(0.012345678, 0.9, 0.505, 321),
        supported=Reliability(0.012345678, None, None, 0),
        earlier=None,
    )
    text = card_of(estimator().calibrated(made), REPO)
    assert "| sentence | one source | 0.01235 | 0.90 | 0.51 | 321 |\n" in text
    assert "| sentence | all sources together | 0.01235 | - | - | 0 |\n" in text
    assert "by 0.5 nats or more" in text
    assert "an earlier statement" not in text
    earlier = replace(made, unit="passage", earlier=Reliability(1.0, 0.25, 1.0, 8))
    text = card_of(estimator().calibrated(made).calibrated(earlier), REPO)
    assert "| passage | an earlier statement of the answer | 1 | 0.25 | 1.00 | 8 |\n" in text
    assert text.count("| one source |") == 2


def test_the_cards_code_runs(capsys):
    demo = DEMO_MODEL
    text = card_of(
        load_demo_estimator(), str(demo / "estimators" / "network"), base_model=str(demo)
    )
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, "card", "exec"), names)
    assert isinstance(names["answer"], Answer)
    assert capsys.readouterr().out.strip() == str(names["answer"]).strip()


@pytest.mark.filterwarnings("ignore::at2_rag.training.FitWarning")
def test_the_card_of_a_real_fit(demo_reader, tmp_path):
    """Every figure of the card is one of the fit's own."""
    collect(demo_reader, world_examples(3, 6, num_passages=(2, 2)), tmp_path, num_ablations=8)
    collected = load_collected(tmp_path)
    result = fit(collected.records, method="ridge", held_out=0.4, provenance=collected.manifest)
    text = card_of(result.estimator, REPO)
    fitted, average = result.metrics.fitted, result.metrics.average
    assert f"On {result.metrics.held_out_examples} held-out examples." in text
    assert f"| this estimator | {fitted.lds:.3f} ± {fitted.lds_error:.3f} | " in text
    assert f"| average attention | {average.lds:.3f} ± {average.lds_error:.3f} | " in text
    assert "- ablations of each example: 8\n" in text
    assert "- fitted by: ridge\n" in text
    assert "base_model" not in parts(text)[0]  # the demo reader is no model of the hub
    assert str(REPOSITORY) not in text


def test_the_card_of_the_demo_readers_estimator():
    header, text = parts(card_of(load_demo_estimator(), REPO))
    assert "at2-network" in header["tags"]
    assert "- shape: 4 layers × 8 heads\n" in text
