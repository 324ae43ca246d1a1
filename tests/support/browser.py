"""A real browser, as people look at pages with one."""

import shutil
import time
from contextlib import contextmanager
from importlib.resources import files

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
READY = "html[data-ready]"
#: How long a browser may take for anything, in seconds: a busy machine is no fault.
PATIENCE = 120
#: What a page asked for when something was done to it happens in its next frame.
_TWO_FRAMES = """() => new Promise((done) =>
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"""


def chromium():
    """Return where the browser is; ``None`` where there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)


@contextmanager
def launched():
    """Start the browser with a fresh profile."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        found = play.chromium.launch(
            executable_path=chromium(), args=ARGUMENTS, headless=True, timeout=PATIENCE * 1000
        )
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
    seen.set_default_timeout(PATIENCE * 1000)
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
    asked_for = {url for url in asked if not url.startswith(("data:", "about:"))}
    assert asked_for == {path.as_uri()}, asked_for


def drawn(page):
    """Wait until a page has answered, in a frame of its own, to what was just done to it."""
    page.evaluate(_TWO_FRAMES)


def eventually(page, look, wanted):
    """Look at a page until it is as wanted: it answers to what is done to it when it gets to it.

    What is already so before it answers would be found too early: a look that something stays as
    it was begins with :func:`drawn`.

    Args:
        page: The page.
        look: Returns what there is now.
        wanted: What is expected, or a function that tells whether it is what is expected.

    Returns:
        What was found.
    """
    is_met = wanted if callable(wanted) else lambda found: found == wanted
    end = time.monotonic() + PATIENCE
    while not is_met(found := look()):
        assert time.monotonic() < end, f"there is {found!r}; expected {wanted!r}"
        page.wait_for_timeout(20)
    return found


def work_clock(page):
    """Return a clock of the seconds that a page's own thread works, however busy the machine is."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def seconds():
        told = session.send("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in told if one["name"] == "TaskDuration")

    return seconds


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
