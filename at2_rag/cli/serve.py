"""``at2-rag serve`` and ``at2-rag mcp``: a reader for programs that ask it."""

from __future__ import annotations

import secrets
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from at2_rag.cli import options
from at2_rag.cli.demo_model import pretrained_reader
from at2_rag.cli.loading import DEMO, load_reader
from at2_rag.cli.notes import note_now, release_notes
from at2_rag.errors import InputError, missing_extra
from at2_rag.known_estimators import AUTO

if TYPE_CHECKING:
    from at2_rag import Reader
    from at2_rag.server.web_page import Example

#: How many passages of a made-up world the page begins with.
_WORLD_PASSAGES = 8
_SERVING = "Serving"
_BOUNDS = "Bounds"

_Host = Annotated[
    str,
    typer.Option(
        help="The address to listen at; others than this machine's own need a token.",
        rich_help_panel=_SERVING,
    ),
]
_Port = Annotated[
    int,
    typer.Option(
        min=0, max=65535, help="The port; 0 takes any that is free.", rich_help_panel=_SERVING
    ),
]
_Token = Annotated[
    str | None,
    typer.Option(
        envvar="AT2_TOKEN",
        metavar="TOKEN",
        help="What requests must bring as a bearer token; at other addresses than this machine's "
        "own, one is made up and shown if none is given.",
        rich_help_panel=_SERVING,
        show_default=False,
    ),
]
_Name = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="What clients call the model; else the last part of its name.",
        rich_help_panel=_SERVING,
        show_default=False,
    ),
]
_Upstream = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Another server that answers chat completions, such as http://localhost:8000/v1; the "
        "model here only cites what it says.",
        rich_help_panel=_SERVING,
        show_default=False,
    ),
]
_UpstreamKey = Annotated[
    str | None,
    typer.Option(
        envvar="AT2_UPSTREAM_KEY",
        metavar="KEY",
        help="What that server wants as a bearer token; else it gets the client's, where this "
        "server has no token itself.",
        rich_help_panel=_SERVING,
        show_default=False,
    ),
]
_Waiting = Annotated[
    int, typer.Option(min=1, help="Most requests that wait.", rich_help_panel=_BOUNDS)
]
_Megabytes = Annotated[
    int, typer.Option(min=1, help="Largest body, in MiB.", rich_help_panel=_BOUNDS)
]
_Seconds = Annotated[
    int,
    typer.Option(min=1, help="Longest that the model works on a request.", rich_help_panel=_BOUNDS),
]


def serve(
    model: options.Model = None,
    host: _Host = "127.0.0.1",
    port: _Port = 8360,
    token: _Token = None,
    name: _Name = None,
    upstream: _Upstream = None,
    upstream_key: _UpstreamKey = None,
    estimator: options.Estimator = AUTO,
    source_unit: options.Unit = options.SourceUnit.sentence,
    max_new_tokens: options.MaxNewTokens = 256,
    system: options.System = None,
    language: options.Language = "english",
    dtype: options.DtypeOption = options.Dtype.auto,
    device: options.Device = "auto",
    max_waiting: _Waiting = 64,
    max_megabytes: _Megabytes = 16,
    max_seconds: _Seconds = 300,
) -> None:
    """Serve a model: a page to ask it on, and OpenAI's chat completions, with citations.

    The page is at http://HOST:PORT/, and programs that speak to OpenAI's servers find it at
    http://HOST:PORT/v1.
    """
    _check_installed("The server", "serve", "fastapi", "uvicorn", "httpx", "python_multipart")
    from at2_rag.server.app import create_app
    from at2_rag.server.limits import Limits
    from at2_rag.server.run import listen
    from at2_rag.server.run import serve as run
    from at2_rag.server.service import Service
    from at2_rag.server.upstream import Upstream

    limits = Limits(
        waiting=max_waiting, body_bytes=max_megabytes * 2**20, seconds=float(max_seconds)
    )
    _check(token, upstream)
    with listen(host, port) as listening:  # before a model is loaded for nothing
        own_token = _token_for(host, token)
        other = None
        if upstream is not None:
            other = Upstream(upstream, upstream_key, limits.seconds, forwards=own_token is None)
        loaded = _reader(model, estimator, dtype, device)
        reader = loaded.with_options(
            source_unit=source_unit.value,
            max_new_tokens=max_new_tokens,
            system=system,
            language=language,
        )
        service = Service.of(reader, limits, name)
        app = create_app(service, token=own_token, upstream=other, example=_example(loaded))
        release_notes()
        address = _address(host, listening.getsockname()[1])
        note_now(f"the page to ask it on is {address}/{'#token=TOKEN' if own_token else ''}")
        note_now(_where(address, service.name, upstream))
        run(app, listening, limits)


def mcp(
    model: options.Model = None,
    estimator: options.Estimator = AUTO,
    max_new_tokens: options.MaxNewTokens = 256,
    dtype: options.DtypeOption = options.Dtype.auto,
    device: options.Device = "auto",
) -> None:
    """Serve a model to a client of the Model Context Protocol, on stdin and stdout.

    Its tools are answer_with_citations, cite and prune.
    """
    _check_installed("The MCP server", "mcp", "mcp")
    from at2_rag.server.mcp_tools import create_mcp_server

    reader = _reader(model, estimator, dtype, device).with_options(max_new_tokens=max_new_tokens)
    server = create_mcp_server(reader)
    release_notes()
    server.run("stdio")


def _check_installed(what: str, extra: str, *packages: str) -> None:
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise InputError(str(missing_extra(what, ", ".join(missing), extra)))


def _reader(model: str | None, estimator: str, dtype: options.Dtype, device: str) -> Reader:
    """Load the model that was named, or else the demo's."""
    if model is None and (found := pretrained_reader(None)) is not None:
        return found
    return load_reader(model or DEMO, dtype=dtype.value, device=device, estimator=estimator)


def _example(reader: Reader) -> Example | None:
    """Return what the page begins with: for the tiny reader its own world, which is all it knows.

    Args:
        reader: The reader that is served.
    """
    from at2_rag.model.loading import DEMO_READER
    from at2_rag.server.web_page import Example

    if reader.model.config.name_or_path != DEMO_READER:
        return None
    from at2_rag.worlds import generate_examples

    example = next(iter(generate_examples(0, _WORLD_PASSAGES, hops=2)))
    return Example([example.question], example.passages)


def _token_for(host: str, token: str | None) -> str | None:
    from at2_rag.server.gate import LOOPBACK

    if token is not None or host in LOOPBACK:
        return token
    made_up = secrets.token_urlsafe(24)
    note_now(f"the token, which requests must bring as Authorization: Bearer …, is {made_up}")
    return made_up


def _check(token: str | None, upstream: str | None) -> None:
    if token is not None and (not token.strip() or not token.isascii()):
        raise InputError("The token is empty, or not ASCII; expected letters and digits.")
    if upstream is not None and not upstream.startswith(("http://", "https://")):
        raise InputError(f"--upstream is {upstream!r}; expected such as http://localhost:8000/v1.")


def _address(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _where(address: str, name: str, upstream: str | None) -> str:
    does = "answers" if upstream is None else f"cites what {upstream} answers"
    return f"{name} {does} at {address}/v1"
