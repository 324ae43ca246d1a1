"""The server's page in a real browser: asking, watching, pruning, proving, and what goes wrong."""

import json
import re
from contextlib import ExitStack

import pytest
from playwright.sync_api import expect
from support.browser import barriers, opened
from support.serving import PASSAGES, QUESTION, held, posting, served, slowed
from support.visiting import visited

from at2_rag import Answer, Passage
from at2_rag.server.limits import Limits
from at2_rag.server.web_page import Example
from at2_rag.view.scripts import asset, modules_of

expect.set_options(timeout=30_000)
GIVEN = [Passage(**fields) for fields in PASSAGES]
EXAMPLE = Example([QUESTION, "Who is the mayor of Bridira?"], GIVEN)
ASKING = {"question": QUESTION, "passages": PASSAGES}
HOSTILE = (
    "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'> is a city.",
    '"\' onmouseover="window.pwned = 1" </div></details></main><h1>Gone</h1> is a city.',
    "[a](javascript:window.pwned=1) \u202egnihton\u202c \u2066x\u2069 `<i>` is a city.",
)


@pytest.fixture(scope="module")
def server(demo_reader):
    with served(demo_reader, example=EXAMPLE) as running:
        yield running


@pytest.fixture(scope="module")
def own(demo_reader):
    """What the reader itself says."""
    return demo_reader.answer(QUESTION, GIVEN)


def ask_the_example(page, number=0):
    page.locator("#examples button").nth(number).click()
    expect(page.locator(".shown .told h3")).to_be_visible()


def give(page, text):
    page.fill("#paste", text)
    page.click("#add")


def test_an_answer_is_seen_pointed_at_pinned_and_selected(browser, server, own):
    with visited(browser, server.url) as page:
        expect(page.locator("#about")).to_contain_text("tiny")
        ask_the_example(page)
        said = page.locator(".shown [data-text=answer]")
        first = said.locator(".group").first
        expect(first).to_contain_text(own.statements[0].text)
        first.locator("[data-t]").first.hover()
        expect(page.locator(".passages .hit")).to_have_text(
            [c.text for c in own.statements[0].citations]
        )
        page.hover("h1")
        expect(page.locator(".passages .hit")).to_have_count(0)
        said.locator(".group").nth(1).focus()
        expect(page.locator(".told h3")).to_contain_text("Statement 2")
        page.keyboard.press("Enter")
        page.hover("h1")
        expect(page.locator(".told h3")).to_contain_text("Statement 2")  # as it is pinned
        page.keyboard.press("Escape")
        expect(page.locator(".told h3")).to_contain_text("whole answer")
        said.locator("[data-t]").nth(1).dblclick()
        expect(page.locator(".told h3")).to_contain_text("“")


def test_citations_come_while_the_answer_is_written(browser, demo_reader, own):
    with (
        served(demo_reader, example=EXAMPLE) as server,
        slowed(demo_reader, 0.15),
        visited(browser, server.url) as page,
    ):
        page.locator("#examples button").first.click()
        expect(page.locator(".live .cite").first).to_be_visible()
        assert page.locator("#stop").is_visible()  # it is still at it
        assert page.locator(".shown").count() == 0
        expect(page.locator(".live .references li").first).to_contain_text(own.citations[0].text)
        numbers = ", ".join(map(str, own.statements[0].numbers))
        expect(page.locator("#live")).to_contain_text(  # as who cannot see it is told
            re.compile(rf"{own.statements[0].text} Sources? {numbers}\.")
        )
        expect(page.locator(".shown")).to_be_visible()
        expect(page.locator("#live")).to_contain_text("The answer is complete.")


def test_text_is_seen_while_it_is_written_though_citations_are_proven_behind_it(
    browser, demo_reader
):
    proving = demo_reader.with_options(prove=2)
    own = proving.answer(QUESTION, GIVEN)
    with (
        served(proving, example=EXAMPLE) as server,
        slowed(proving, 0.15),
        visited(browser, server.url) as page,
    ):
        page.locator("#examples button").first.click()
        begun = re.compile(re.escape(own.text[:10]))
        expect(page.locator(".live .text").last).to_have_text(begun)
        assert page.locator(".live .cite").count() == 0
        expect(page.locator(".shown")).to_be_visible()
        said = page.locator(".shown [data-text=answer]")
        expect(said.locator(".group").first).to_contain_text(own.statements[0].text)
        expect(page.locator(".live")).to_have_count(0)


def test_an_answer_is_stopped_in_the_middle(browser, demo_reader):
    with served(demo_reader, example=EXAMPLE) as server, visited(browser, server.url) as page:
        with slowed(demo_reader, 0.15):
            page.locator("#examples button").first.click()
            expect(page.locator(".live .text").last).not_to_be_empty()
            page.click("#stop")
            expect(page.locator(".asked [role=status]")).to_have_text("Stopped.")
            server.until_free()
        assert server.service.metrics.counted("cancelled") == 1
        expect(page.locator(".live .text").last).not_to_be_empty()  # what was said stays
        page.click("#ask")
        expect(page.locator(".shown")).to_be_visible()


def test_questions_follow_one_another_over_the_same_passages(browser, server):
    with visited(browser, server.url) as page:
        ask_the_example(page)
        page.fill("#question", "Who is the mayor of Bridira?")
        page.keyboard.press("Enter")
        expect(page.locator(".shown")).to_have_count(2)
        first, last = page.locator("#answers > details").all()
        expect(first).to_have_attribute("open", "")
        assert last.get_attribute("open") is None
        expect(first.locator("h2").first).to_have_text("Who is the mayor of Bridira?")
        assert page.evaluate(
            "(() => { const all = [...document.querySelectorAll('[id]')].map(e => e.id);"
            " return all.length === new Set(all).size; })()"
        )
        assert barriers(page) == []


def test_the_best_passages_answer_again_beside(browser, server, demo_reader, own):
    best = sorted(index for index, _ in own.used_passages[:2])
    again = demo_reader.answer(QUESTION, [GIVEN[index] for index in best])
    with visited(browser, server.url) as page:
        ask_the_example(page)
        page.locator(".pruning input").fill("2")
        page.get_by_role("button", name="Answer again from the best 2").click()
        second = page.locator(".pair .one").nth(1)
        expect(second.locator(".shown [data-text=answer]")).to_contain_text(
            again.statements[0].text
        )
        expect(second.locator("> h3")).to_contain_text("From the best 2 passages, reading")
        expect(page.locator(".pair .one").first.locator("> h3")).to_have_text("From all 3 passages")
        expect(second.locator("#asked, .passages > .passage")).to_have_count(2)
        second.locator(".group [data-t]").first.hover()
        expect(second.locator(".passages .hit")).not_to_have_count(0)
        expect(page.locator(".pair .one").first.locator(".hit")).to_have_count(0)
        assert barriers(page) == []


def test_a_citation_is_proven_by_a_click(browser, server, demo_reader, own):
    proof = demo_reader.verify(own).statements[0]
    with visited(browser, server.url) as page:
        ask_the_example(page)
        page.locator(".references .prove").first.click()
        expect(page.locator(".references .effect").first).to_contain_text(str(proof.together))
        expect(page.locator(".told")).to_contain_text(str(proof.together))


def test_what_was_proven_is_saved_with_the_page(browser, server, demo_reader, own, tmp_path):
    proof = str(demo_reader.verify(own).statements[0].together)
    with visited(browser, server.url, accept_downloads=True) as page:
        ask_the_example(page)
        page.locator(".references .prove").first.click()
        expect(page.locator(".references .effect")).not_to_have_count(0)
        with page.expect_download() as coming:
            page.get_by_role("button", name="Save as HTML").click()
        coming.value.save_as(tmp_path / "saved.html")
    saved = (tmp_path / "saved.html").read_text(encoding="utf-8")
    with opened(browser, saved, tmp_path) as page:
        expect(page.locator(".references .effect").first).to_contain_text(proof)
        expect(page.locator(".prove")).to_have_count(0)


def test_an_answer_is_saved_as_page_and_as_data(browser, server, own, tmp_path):
    with visited(browser, server.url, accept_downloads=True) as page:
        ask_the_example(page)
        saved = {}
        for kind in ("HTML", "JSON"):
            with page.expect_download() as coming:
                page.get_by_role("button", name=f"Save as {kind}").click()
            path = tmp_path / coming.value.suggested_filename
            coming.value.save_as(path)
            saved[kind] = path.read_text(encoding="utf-8")
        assert path.name == "In-which-city-was-the-mayor-of-Vungon-born.json"
    answer = Answer.from_dict(json.loads(saved["JSON"]))
    assert answer.text == own.text
    assert answer.to_html() == saved["HTML"]
    with opened(browser, saved["HTML"], tmp_path) as page:
        expect(page.locator("#a-0")).to_contain_text(own.statements[0].text)


def test_what_is_pasted_is_passages_and_can_be_removed(browser, server):
    with visited(browser, server.url) as page:
        page.fill("#question", "Where is it?")
        page.keyboard.press("Enter")
        expect(page.locator("#asking-said")).to_contain_text("no passages yet")
        give(page, "# Zandor\nZandor lies on the Mol.\n\nIt was founded in 1203.\n\n\n")
        expect(page.locator("#count")).to_have_text("2 passages")
        expect(page.locator("#asking-said")).to_be_empty()
        page.click("#list > summary")
        expect(page.locator("#passages b").first).to_have_text("Zandor")
        page.get_by_role("button", name="Remove Zandor").first.click()
        expect(page.locator("#count")).to_have_text("1 passage")
        page.click("#clear")
        expect(page.locator("#list")).to_be_hidden()


def test_files_and_folders_are_read_and_bad_ones_told(browser, server, tmp_path):
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "mill.md").write_text("# Mill\n\nThe mill was built in 1820.")
    (folder / "deep" / "city.txt").write_text("Vungon is a city.")
    (folder / "deep" / "tool.exe").write_text("MZ")
    (tmp_path / "bad.jsonl").write_text("{")
    (tmp_path / "tool.exe").write_text("MZ")
    with visited(browser, server.url, refused=1) as page:
        said = page.locator("#given-said")
        page.set_input_files("#files", tmp_path / "bad.jsonl")
        expect(said).to_contain_text("bad.jsonl")
        expect(said).to_have_class("problem")
        page.set_input_files("#files", tmp_path / "tool.exe")
        expect(said).to_contain_text("tool.exe cannot be read; expected one of .txt")
        page.set_input_files("#files", [folder / "mill.md", tmp_path / "bad.jsonl"])
        expect(said).to_contain_text("Added 1 passage from 2 files; skipped")
        page.set_input_files("#folder", folder)
        expect(said).to_contain_text("Added 2 passages from 2 files; skipped 1 file of other kinds")
        expect(page.locator("#count")).to_have_text("3 passages")
        page.evaluate(
            """() => {
                const transfer = new DataTransfer();
                transfer.items.add(new File(["Dropped."], "dropped.txt"));
                const told = { dataTransfer: transfer, bubbles: true, cancelable: true };
                document.getElementById("given").dispatchEvent(new DragEvent("drop", told));
            }"""
        )
        expect(page.locator("#count")).to_have_text("4 passages")


def test_what_is_too_much_is_told(browser, demo_reader, tmp_path):
    (tmp_path / "long.txt").write_text("x" * 3000)
    limits = Limits(documents=2, body_bytes=2048)
    with (
        served(demo_reader, limits=limits) as server,
        visited(browser, server.url, refused=1) as page,
    ):
        page.set_input_files("#files", tmp_path / "long.txt")
        expect(page.locator("#given-said")).to_contain_text("These files are 0.0 MiB")
        give(page, "A.\n\nB.\n\nC.")
        expect(page.locator("#given-said")).to_contain_text("the server takes 2 passages")
        give(page, "y " * 2000)
        page.fill("#question", "Why?")
        page.keyboard.press("Enter")
        expect(page.locator(".asked .problem")).to_contain_text("larger than 2,048 bytes")


def test_a_line_that_is_long_or_full_is_told_with_its_length(browser, demo_reader):
    limits = Limits(waiting=1)
    with ExitStack() as stack:
        server = stack.enter_context(served(demo_reader, limits=limits, example=EXAMPLE))
        page = stack.enter_context(visited(browser, server.url, refused=1))
        stack.enter_context(held(demo_reader))
        before = stack.enter_context(server.socket())
        before.sendall(posting("/api/answer", ASKING))
        server.until(lambda told: told["busy"])
        page.locator("#examples button").first.click()
        status = page.locator(".asked [role=status]")
        expect(status).to_contain_text("Waiting: 1 request comes before this one.")
        page.click("#stop")
        expect(status).to_have_text("Stopped.")
        server.until(lambda told: told["waiting"] == 0)  # or there is no room for another
        another = stack.enter_context(server.socket())
        another.sendall(posting("/api/answer", ASKING))
        server.until(lambda told: told["waiting"] == 1)
        page.click("#ask")
        expect(page.locator(".asked .problem")).to_contain_text("1 requests wait for the model")


def test_what_goes_wrong_on_the_way_is_told(browser, demo_reader):
    with ExitStack() as stack:
        server = stack.enter_context(
            served(demo_reader, limits=Limits(seconds=0.5), example=EXAMPLE)
        )
        # The time may be over before the answer begins, which is then a status of its own.
        page = stack.enter_context(visited(browser, server.url, refused=1, perhaps=1))
        with slowed(demo_reader, 0.1):
            page.locator("#examples button").first.click()
            told = page.locator(".asked .problem")
            expect(told).to_contain_text("longer than 0.5 seconds")
            server.until_free()
        page.context.set_offline(True)
        page.click("#ask")
        expect(told.first).to_contain_text("The server does not answer")


def test_a_token_comes_behind_the_address_or_is_asked_for(browser, demo_reader):
    with served(demo_reader, token="right", example=EXAMPLE) as server:
        with visited(browser, server.url, fragment="#token=right") as page:
            assert page.url == f"{server.url}/"
            ask_the_example(page)
        with visited(
            browser, server.url, fragment="#token=wrong", ready="#token-form", refused=2
        ) as page:
            expect(page.locator("#token-said")).to_contain_text("token is missing or wrong")
            assert barriers(page) == []
            page.fill("#token", "wröng")
            page.keyboard.press("Enter")
            expect(page.locator("#token-said")).to_contain_text("missing or wrong")
            page.fill("#token", "right")
            page.keyboard.press("Enter")
            ask_the_example(page)


def test_text_stays_text_whatever_it_says(browser, server):
    with visited(browser, server.url) as page:
        give(page, "\n\n".join(HOSTILE))
        page.fill("#question", HOSTILE[0])
        page.keyboard.press("Enter")
        expect(page.locator(".shown .told h3")).to_be_visible()
        page.locator(".shown .passages [data-s]").first.hover()
        page.click("#list > summary")
        assert page.evaluate("window.pwned") is None
        assert page.locator("img, main script, h1:not(header > h1)").count() == 0
        assert page.locator("a[href^='javascript:']").count() == 0
        expect(page.locator("#passages")).to_contain_text(HOSTILE[0])
        expect(page.locator(".asked h2").first).to_have_text(HOSTILE[0])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 390])
def test_everybody_can_use_it(browser, server, scheme, width):
    with visited(browser, server.url, color_scheme=scheme, width=width) as page:
        assert barriers(page) == []
        ask_the_example(page)
        page.locator(".shown .group").first.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".passages .lit").first).to_be_visible()
        assert barriers(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(250, 249, 246)") == (scheme == "light")


def test_paper_gets_answers_alone(browser, server):
    with visited(browser, server.url) as page:
        ask_the_example(page)
        page.emulate_media(media="print")
        for hidden in (".sheet", ".keeping", ".pruning", ".told"):
            expect(page.locator(hidden).first).to_be_hidden()
        expect(page.locator(".shown [data-text=answer]")).to_be_visible()


def test_two_hundred_passages_do_not_lag(browser, server, record_property):
    texts = [f"{name} {n} is a city. It lies on the river." for n in range(100) for name in "AB"]
    with visited(browser, server.url) as page:
        record_property("interactive_ms", page.get_attribute("html", "data-ready"))
        give(page, "\n\n".join(texts))
        expect(page.locator("#count")).to_have_text("200 passages")
        page.fill("#question", "Where does A 1 lie?")
        page.keyboard.press("Enter")
        expect(page.locator(".shown .told h3")).to_be_visible(timeout=60_000)
        expect(page.locator(".shown .passages .passage")).to_have_count(200)
        slow = page.evaluate(
            """async () => {
                let worst = 0;
                for (const group of document.querySelectorAll('.shown [data-text=answer] .group')) {
                    const begin = performance.now();
                    group.dispatchEvent(new PointerEvent('pointerover', {bubbles: true}));
                    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
                    worst = Math.max(worst, performance.now() - begin);
                }
                return worst;
            }"""
        )
        record_property("worst_hover_ms", slow)


def test_the_page_is_strict_and_its_files_need_no_token(demo_reader):
    with served(demo_reader, token="right") as server:
        response = server.get("/")
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert server.get("/assets/main.js").headers["content-type"].startswith("text/javascript")
        for name in modules_of("answer.js"):  # and no other file has the name of one of them
            assert server.get(f"/assets/{name}").text == asset(name)
        for elsewhere in ("/assets/..%2findex.html", "/assets/heads.js", "/assets/nothing.js"):
            assert server.get(elsewhere).status_code == 404
        assert server.get("/api/start").status_code == 401
        assert server.post("/").status_code in (401, 405)
