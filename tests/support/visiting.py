"""A server's page in a real browser: what it loads, and what it complains of."""

import re
from contextlib import contextmanager
from urllib.parse import urlsplit

from support.browser import READY

#: What the browser itself says of a response that the page then tells in words.
_NOTED = re.compile(
    r"error: Failed to load resource: (the server responded with a status of [45]\d\d|net::ERR_)"
)


@contextmanager
def visited(
    browser,
    url,
    *,
    fragment="",
    ready=READY,
    width=1360,
    height=900,
    refused=0,
    perhaps=0,
    **context,
):
    """Open a server's page; it must load from there alone, and complain of nothing.

    Args:
        browser: A started browser.
        url: The address of the server.
        fragment: What stands behind the address, such as ``#token=…``.
        ready: What is there once the page can be used.
        width: How wide the window is, in pixels.
        height: How high the window is, in pixels.
        refused: How many requests the server refuses, or does not get, which browsers note.
        perhaps: How many more of them there may be, on a machine that is slow.
        context: How the page is seen, such as ``color_scheme``.
    """
    seen = browser.new_context(
        viewport={"width": width, "height": height}, reduced_motion="reduce", **context
    )
    page, faults, asked = seen.new_page(), [], []
    page.set_default_timeout(20_000)
    page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    try:
        page.goto(f"{url}/{fragment}")
        page.wait_for_selector(ready)
        yield page
    finally:
        seen.close()
    noted = [fault for fault in faults if _NOTED.match(fault)]
    assert [fault for fault in faults if fault not in noted] == []
    assert refused <= len(noted) <= refused + perhaps
    own = urlsplit(url).netloc
    assert {urlsplit(address).netloc for address in asked if not address.startswith("blob:")} == {
        own
    }
    assert not any(urlsplit(address).query for address in asked)
