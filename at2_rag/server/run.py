"""Running the server, by itself or in a thread beside other things."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from time import sleep

import uvicorn
from fastapi import FastAPI

from at2_rag.errors import InputError
from at2_rag.server.closing import Closing, EndsInWords
from at2_rag.server.limits import Limits

#: Connections that are kept open for another request are more than those with one.
_CONNECTIONS_PER_REQUEST = 4


#: How long requests may take when the server is told to end, and then to hear of it, in seconds.
_GRACE_SECONDS, _WORD_SECONDS = 4, 4


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: The address to listen at.
        port: The port to listen at; 0 for any that is free.

    Raises:
        InputError: If that cannot be done.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise InputError(
            f"{host}:{port} cannot be listened at: {error.strerror or error}. Name another with "
            "--host or --port."
        ) from error


def serve(app: FastAPI, listening: socket.socket, limits: Limits) -> None:
    """Serve until the process is told to end, and then what is open.

    Args:
        app: The server as an ASGI application.
        listening: The socket that it listens at.
        limits: How many requests may be open.
    """
    log = logging.getLogger("at2_rag.server")
    log.addHandler(logging.StreamHandler())  # with what went wrong in full, unlike the commands'
    log.propagate = False
    _server(app, limits).run([listening])


@contextmanager
def serving(app: FastAPI, limits: Limits, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve from a thread, and yield the address, such as ``http://127.0.0.1:8000``.

    Args:
        app: The server as an ASGI application.
        limits: How many requests may be open.
        host: The address to listen at; the port is any that is free.

    Raises:
        InputError: If the address cannot be listened at.
    """
    listening = listen(host, 0)
    server = _server(app, limits)
    thread = Thread(target=server.run, args=([listening],), name="at2-rag server", daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            sleep(0.005)
        yield f"http://{host}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def _server(app: FastAPI, limits: Limits) -> uvicorn.Server:
    closing = Closing()
    config = uvicorn.Config(
        EndsInWords(app, closing),
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        limit_concurrency=limits.requests * _CONNECTIONS_PER_REQUEST,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=_GRACE_SECONDS + _WORD_SECONDS,
    )
    return _Server(config, closing)


class _Server(uvicorn.Server):
    """Has requests end in words before uvicorn cancels them.

    Args:
        config: What uvicorn is told.
        closing: When requests end.
    """

    def __init__(self, config: uvicorn.Config, closing: Closing) -> None:
        super().__init__(config)
        self._closing = closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, as soon as requests have."""
        self._closing.begin(_GRACE_SECONDS)
        await super().shutdown(sockets)
