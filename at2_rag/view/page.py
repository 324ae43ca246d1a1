"""One page of HTML that needs nothing else: styles, script and data are within."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from typing import Any

from at2_rag.view.drawing import visible
from at2_rag.view.scripts import asset, joined


def page(title: str, body: str, *, script: str | None = None, data: Any = None) -> str:
    """Return a page that may load nothing, and run no script but its own.

    Args:
        title: What the page is called.
        body: What the page shows, as HTML.
        script: Name of a script among the package's assets; ``None`` for a page without.
        data: What the script reads, in plain JSON types.
    """
    code = joined(script) if script else ""
    parts = _data(data) + f'<script type="module">{code}</script>\n' if code else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(code)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(visible(title))}</title>\n"
        f"<style>\n{asset('page.css')}</style>\n</head>\n"
        f"<body>\n{body}\n{parts}</body>\n</html>\n"
    )


def framed(html: str, height: int = 640) -> str:
    """Return a page in a frame of its own, as notebooks show it, apart from all around it.

    Args:
        html: The page that is framed, whole.
        height: How high the frame is at first, in pixels.
    """
    return (
        f'<iframe title="Answer with its sources" sandbox="allow-scripts allow-popups" '
        f'style="width:100%;height:{height}px;border:0;resize:vertical;overflow:auto" '
        f'srcdoc="{escape(html)}"></iframe>'
    )


def embedded(data: Any) -> str:
    """Return plain JSON types as JSON that ends no script and begins no comment."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _data(data: Any) -> str:
    return f'<script type="application/json" id="data">{embedded(data)}</script>\n'


def _policy(script: str) -> str:
    """Return what the page may load: its own styles, and the very script that is in it."""
    allowed: Mapping[str, str] = {"default-src": "'none'", "style-src": "'unsafe-inline'"}
    if script:
        digest = b64encode(sha256(script.encode()).digest()).decode()
        allowed = {**allowed, "script-src": f"'sha256-{digest}'"}
    rest = {"base-uri": "'none'", "form-action": "'none'"}
    return "; ".join(f"{name} {value}" for name, value in {**allowed, **rest}.items())
