"""How much a server takes on: requests, bytes, seconds and tokens."""

from __future__ import annotations

from dataclasses import dataclass, fields

from at2_rag.errors import InputError


@dataclass(frozen=True)
class Limits:
    """Bounds that keep one client from what all share.

    Attributes:
        requests: How many requests are open at a time at most, whatever they wait for.
        waiting: How many requests wait for the model at a time at most.
        body_bytes: How many bytes a request's body has at most.
        body_seconds: How long a body may take to arrive, in seconds.
        wait_seconds: How long a request waits for the model at most, in seconds.
        seconds: How long the model works on one request at most, in seconds.
        send_seconds: How long a client may take nothing of what is streamed to it, in seconds.
        quiet_seconds: How long a stream is silent at most, in seconds, before it says that it is
            still there; and how long the first word is waited for before a stream begins.
        new_tokens: How many tokens an answer has at most, whatever a request asks for.
        documents: How many passages a request brings at most.
        prove: How many sources of a statement are left out at most to prove citations.
    """

    requests: int = 256
    waiting: int = 64
    body_bytes: int = 16 * 2**20
    body_seconds: float = 30.0
    wait_seconds: float = 600.0
    seconds: float = 300.0
    send_seconds: float = 60.0
    quiet_seconds: float = 10.0
    new_tokens: int = 2048
    documents: int = 1000
    prove: int = 16

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise InputError(
                    f"{field.name} is {getattr(self, field.name)!r}; expected a number above 0."
                )
