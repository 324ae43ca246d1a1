"""A server in the test's own process, and clients that are not nice."""

import json
import socket
import threading
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
from openai import OpenAI

from at2_rag.server.app import create_app
from at2_rag.server.limits import Limits
from at2_rag.server.run import serving
from at2_rag.server.service import Service

QUESTION = "In which city was the mayor of Vungon born?"
#: How long anything may take, in seconds: a busy machine is no fault.
PATIENCE = 120
#: In three shapes: this library's and vLLM's, Cohere's, and plain text.
DOCUMENTS = [
    {"title": "Bridira", "text": "Bridira is a city whose mayor is Nuke Gunmes."},
    {
        "id": "vungon",
        "data": {
            "title": "Vungon",
            "text": "Vungon is a city whose mayor is Tete Gorun. Vungon belongs to Trunken.",
            "url": "https://example.org/vungon",
        },
    },
    "Tete Gorun plays the piano. She was born in the city of Nengos.",
]  # fmt: skip
TEXTS = [DOCUMENTS[0]["text"], DOCUMENTS[1]["data"]["text"], DOCUMENTS[2]]
PASSAGES = [
    DOCUMENTS[0],
    {"id": "vungon", **DOCUMENTS[1]["data"]},
    {"text": DOCUMENTS[2]},
]
ASKED = [{"role": "user", "content": QUESTION}]


def eventually(look, is_wanted):
    """Look until it is as wanted, and return what was seen."""
    end = time.monotonic() + PATIENCE
    while not is_wanted(seen := look()):
        assert time.monotonic() < end, seen
        time.sleep(0.01)
    return seen


class Served:
    """A server and its address."""

    def __init__(self, url, service, openai):
        self.url, self.service, self.openai = url, service, openai

    def complete(self, messages=ASKED, documents=DOCUMENTS, **more):
        body = {"documents": documents, **more.pop("extra_body", {})}
        return self.openai.chat.completions.create(
            model=self.service.name, messages=messages, extra_body=body, **more
        )

    def post(self, path, **more):
        return httpx.post(self.url + path, timeout=PATIENCE, **more)

    def get(self, path, **more):
        return httpx.get(self.url + path, timeout=PATIENCE, **more)

    def health(self):
        return self.get("/health").json()

    def until(self, reached):
        """Wait for the server to be in a state."""
        eventually(self.health, reached)

    def until_free(self):
        self.until(lambda told: not told["busy"])

    def socket(self):
        """Connect, for what no client does."""
        address = urlsplit(self.url)
        return socket.create_connection((address.hostname, address.port), timeout=PATIENCE)


@contextmanager
def served(reader, *, name="tiny", limits=None, **options):
    service = Service.of(reader, limits or Limits(), name)
    app = create_app(service, **options)
    client = {"api_key": "none", "max_retries": 0, "timeout": PATIENCE}
    with serving(app, service.limits) as url, OpenAI(base_url=f"{url}/v1", **client) as openai:
        yield Served(url, service, openai)


def error_of(response):
    """Return what a response says is wrong; assert that it is said in the one shape there is."""
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"].strip()
    return error


def events_of(response):
    """Return the name and data of a response's events."""
    found = []
    for block in response.text.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            name, data = lines
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def posting(path, body, headers=()):
    """Return the bytes of a request."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(data)}",
        *headers,
    ]
    return "\r\n".join([*head, "", ""]).encode() + data


def read_until(connection, wanted):
    """Read until something wanted was sent, in however many pieces; return all that was."""
    read = b""
    while wanted not in read:
        piece = connection.recv(4096)
        assert piece, read
        read += piece
    return read


@contextmanager
def slowed(reader, seconds):
    """Have every step of a reader's model take longer."""
    embedding = reader.model.get_input_embeddings()
    handle = embedding.register_forward_hook(lambda *_: time.sleep(seconds))
    try:
        yield
    finally:
        handle.remove()


class Gate:
    """What a model waits at before each step, while it is closed.

    Attributes:
        reached: Set once the model has come there.
    """

    def __init__(self):
        self.reached, self._opened = threading.Event(), threading.Event()

    def open(self):
        self._opened.set()

    def close(self):
        self.reached.clear()
        self._opened.clear()

    def pass_through(self, *_):
        self.reached.set()
        assert self._opened.wait(PATIENCE)


@contextmanager
def held(reader):
    """Have a reader's model wait at a gate; what happens meanwhile does not depend on time."""
    gate = Gate()
    handle = reader.model.get_input_embeddings().register_forward_hook(gate.pass_through)
    try:
        yield gate
    finally:
        gate.open()
        handle.remove()


def annotations_of_stream(chunks):
    """Return the text and the annotations that chunks add up to."""
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    text = "".join(delta.content or "" for delta in deltas)
    return text, [a for delta in deltas for a in getattr(delta, "annotations", None) or ()]
