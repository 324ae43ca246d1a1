"""What is said to a client when something cannot be done, in the shape of OpenAI's errors."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException

from at2_rag.errors import At2Error, ContextOverflowError, InputError, MissingResourceError
from at2_rag.prompt.settings import Settings, meant_by
from at2_rag.server.replies import Json

_LOG = logging.getLogger("at2_rag.server")

#: What OpenAI calls the kind of an error, by status; all others are the server's.
_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    **dict.fromkeys((400, 404, 405, 408, 413, 415, 422), "invalid_request_error"),
}


class Problem(HTTPException):
    """Something that cannot be done, as a client is told it.

    Args:
        status: The status of the response.
        message: What was wrong, what was expected, and what to do.
        code: A word for programs, such as ``"queue_full"``; ``None`` for none.
        param: Which part of the request is meant, such as ``"messages[0]"``; ``None`` for none.
        headers: What the response's headers tell beside it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.code, self.param = code, param

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types: ``{"error": {…}}``, as OpenAI's clients read it."""
        error = {
            "message": self.detail,
            "type": _KINDS.get(self.status_code, "server_error"),
            "param": self.param,
            "code": self.code,
        }
        return {"error": error}

    def response(self) -> Json:
        """Return the response that tells it."""
        return Json(self.to_dict(), self.status_code, self.headers)


def problem_of(error: BaseException) -> Problem:
    """Return what to tell a client of an error; of an unforeseen one no more than that.

    Args:
        error: What was raised. An unforeseen one goes to the log in full.
    """
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return Problem(error.status_code, str(error.detail), headers=error.headers)
    if isinstance(error, ContextOverflowError):
        return Problem(400, str(error), "context_length_exceeded")
    if isinstance(error, InputError | MissingResourceError):
        return Problem(400, str(error))
    if isinstance(error, At2Error):
        return Problem(500, str(error))
    _LOG.error("A request failed in a way that was not expected.", exc_info=error)
    return Problem(500, "The server failed in a way that was not expected; its log says how.")


def invalid(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Return what is wrong with a body, of which the first fault is told.

    Args:
        errors: The faults as pydantic tells them, each with ``loc``, ``msg`` and ``type``.
    """
    first = errors[0]
    if first["type"] == "json_invalid":
        why = first.get("ctx", {}).get("error", first["msg"])
        at = first["loc"][-1]
        return Problem(400, f"The body is no JSON: {why} at byte {at}.", "invalid_json")
    if tuple(first["loc"]) == ("body",):
        return Problem(
            400,
            "The body is no JSON object; expected one, with the header "
            "Content-Type: application/json.",
            "invalid_json",
        )
    param = _path(first["loc"][1:])
    if first["type"] == "extra_forbidden":
        return Problem(400, _unknown(param), "invalid_value", param)
    return Problem(400, f"{param}: {first['msg']}.", "invalid_value", param)


def _unknown(param: str) -> str:
    """Return what to say of a field that nobody knows."""
    meant = meant_by(param.rpartition(".")[2], Settings.names())
    advice = f"Did you mean {meant[0]}?" if meant else "Leave it out."
    return f"{param} is not known here. {advice}"


def _path(places: Sequence[int | str]) -> str:
    """Return such as ``messages[0].role``."""
    path = ""
    for place in places:
        path += f"[{place}]" if isinstance(place, int) else f".{place}"
    return path.lstrip(".")
