"""JSON as it is sent: in ASCII, so that whatever a client sent can be sent back."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse


class Json(JSONResponse):
    """JSON in which all but ASCII is escaped, also halves of characters, which UTF-8 has not."""

    def render(self, content: Any) -> bytes:
        """Return what is sent.

        Args:
            content: Plain JSON types.
        """
        return json.dumps(content, separators=(",", ":")).encode("ascii")
