"""A real browser, as people look at pages with one."""

import shutil
from contextlib import contextmanager
from importlib.resources import files
from urllib.parse import urlsplit

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
READY = "html[data-ready]"


def chromium():
    """Return where the browser is; ``None`` where there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)


@contextmanager
def launched():
    """Start the browser with a fresh profile."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=chromium(), args=ARGUMENTS, headless=True)
        try:
            yield found
        finally:
            found.close()


@contextmanager
def opened(browser, html, folder, *, width=1360, height=900, script=True, ready=READY, **context):
    """Open a page; it must ask for nothing, complain of nothing and open no dialogs.

    Args:
        browser: What :func:`launched` yields.
        html: The page.
        folder: Where the page is written to.
        width: How wide the window is, in pixels.
        height: How high the window is, in pixels.
        script: Whether scripts run.
        ready: What is there once the page can be used.
        context: How the page is seen, such as ``color_scheme``.
    """
    path = folder / "page.html"
    path.write_text(html, encoding="utf-8")
    seen = browser.new_context(
        viewport={"width": width, "height": height},
        reduced_motion="reduce",
        java_script_enabled=script,
        **context,
    )
    page, faults, asked = seen.new_page(), [], []
    page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    try:
        page.goto(path.as_uri())
        if script and ready:
            page.wait_for_selector(ready)
        yield page
    finally:
        seen.close()
    assert faults == []
    assert [urlsplit(url).scheme for url in asked if not url.startswith(("data:", "about:"))] == [
        "file"
    ]


#: What must be right for everybody; the rest is advice.
_IMPACTS = ("serious", "critical")


def barriers(page):
    """Return what on a page keeps people out, as axe-core finds it."""
    source = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page.evaluate(source)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        (one["id"], node["html"][:200], node["failureSummary"])
        for one in found["violations"]
        if one["impact"] in _IMPACTS
        for node in one["nodes"]
    ]
