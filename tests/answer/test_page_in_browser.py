"""An answer's page in a real browser: pointing, pinning, selecting, and whatever the text is."""

import time
from dataclasses import replace

import pytest
import torch
from support.browser import READY, barriers, drawn, eventually, opened, work_clock
from support.wide import wide_answer

from at2_rag import Passage, ThinkingMarkers
from at2_rag.spans import touching

PASSAGES = [
    Passage(
        "Bridira is a city whose mayor is Nuke Gunmes. It lies on the Zados River.",
        title="Bridira",
    ),
    Passage(
        "Vungon is a city whose mayor is Tete Gorun. Vungon belongs to Trunken.",
        title="Vungon",
        url="https://example.org/vungon",
    ),
    Passage(
        "Tete Gorun plays the piano. Tete Gorun was born in 1938. "
        "She was born in the city of Nengos.",
        title="Tete Gorun",
    ),
    Passage("Dunsin Company is a company with its headquarters in Tilvo.", title="Dunsin Company"),
]
QUESTION = "In which city was the mayor of Vungon born?"

HOSTILE = [
    "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>",
    "</script></style></details></main><h1>Gone</h1><!-- ]]> -->",
    '"\' onmouseover="window.pwned = 1" x=\'` ${window.pwned = 1} {{7*7}} \\u003c',
    "[a](javascript:window.pwned=1) <javascript:alert(1)> [b](data:text/html,x) ![i](http://x/y)",
    "\u202egnihton\u202c \u2066x\u2069 \u200f\u200e שלום \u2028\u2029 \u0000\u0007\u001b[31m.",
    "| a | <b>b</b> |\n|---|---|\n| `<i>` | **x** \\| y |\n\n"
    "```html\n<script>window.pwned=1</script>\n```",
    "&lt;b&gt; &amp;amp; &#60;script&#62; 😀👩‍👩‍👧 e\u0301",
]


@pytest.fixture(scope="module")
def answer(demo_reader):
    return demo_reader.answer(QUESTION, PASSAGES)


@pytest.fixture(scope="module")
def thoughtful(demo_reader):
    return demo_reader.with_options(thinking=ThinkingMarkers("", " Final answer: ")).answer(
        QUESTION, PASSAGES
    )


@pytest.fixture
def page(browser, answer, tmp_path):
    with opened(browser, answer.to_html(), tmp_path) as page:
        yield page


def shades(page, within="#passages"):
    """Return how dark each source is, from 0 to 1; those that are not shaded are left out."""
    drawn(page)
    found = page.eval_on_selector_all(
        f"{within} [data-s].lit",
        "all => all.map(e => [e.dataset.s, Number(e.style.getPropertyValue('--s'))])",
    )
    return {int(source): value for source, value in found}


def expected(answer, start, end):
    scores = answer.attribution.for_span(start, end).clamp(min=0)
    shares = (scores / scores.max()).tolist()
    return {i: pytest.approx(s, abs=2e-3) for i, s in enumerate(shares) if s > 0.102}


def around(found, wanted):
    """Leave out what is as dark as the least that is shaded."""
    return {source: value for source, value in found.items() if value > 0.102 or source in wanted}


def check_shades(page, wanted):
    """What is shaded comes to be what is wanted."""
    eventually(page, lambda: around(shades(page), wanted), wanted)


def lines_of(page, kind):
    return page.eval_on_selector_all(
        f"#passages [data-s].{kind}", "all => all.map(e => Number(e.dataset.s))"
    )


def focused(page, what):
    return page.evaluate(f"document.activeElement.{what}")


def sources_of(answer, statement):
    index = {source.place: i for i, source in enumerate(answer.attribution.sources)}
    return sorted(index[c.place] for c in statement.citations)


def test_pointing_at_a_statement_shades_its_sources_by_score(page, answer):
    assert shades(page) == {}
    for number, statement in enumerate(answer.statements):
        page.hover(f"#a-{number} [data-t]")
        wanted = expected(answer, statement.start, statement.end)
        check_shades(page, wanted)
        assert sorted(lines_of(page, "hit")) == sources_of(answer, statement)
    page.hover("h1")
    check_shades(page, {})


def test_pointing_at_a_number_tells_its_source_apart(page, answer):
    statement = next(s for s in answer.statements if len(s.citations) > 1)
    number = answer.statements.index(statement)
    for citation in statement.citations:
        page.hover(f"#a-{number} .cite[data-n='{citation.number}']")
        hit = sources_of(answer, replace(statement, citations=(citation,)))
        eventually(page, lambda: lines_of(page, "hit"), hit)
        assert page.locator("#passages .hit").all_inner_texts() == [citation.text]


def test_pointing_at_a_source_shades_what_was_said_because_of_it(page, answer):
    source = sources_of(answer, answer.statements[0])[0]
    page.hover(f"#passages [data-s='{source}']")
    eventually(page, page.locator("[data-text=answer] [data-t].lit").count, lambda found: found > 0)
    found = page.eval_on_selector_all(
        "[data-text=answer] [data-t]",
        "all => all.map(e => [e.dataset.t.split(' ').map(Number), e.classList.contains('lit')"
        " ? Number(e.style.getPropertyValue('--s')) : 0])",
    )
    row = answer.attribution.scores[source].clamp(min=0)
    most = max(float(row.max()), 0.2 * float(answer.attribution.scores.abs().max()))
    for tokens, value in found:
        share = float(row[tokens].max()) / most
        assert value == pytest.approx(share, abs=2e-3) or (value == 0 and share < 0.102)
    assert page.locator(".references li.on").count() == 1


def test_the_keyboard_reaches_pins_and_lets_go(page, answer):
    page.keyboard.press("Tab")
    eventually(page, lambda: focused(page, "className"), "skip")
    for _ in range(20):
        page.keyboard.press("Tab")
        drawn(page)
        if focused(page, "id") == "a-1":
            break
    statement = answer.statements[1]
    wanted = expected(answer, statement.start, statement.end)
    check_shades(page, wanted)  # as it has the focus
    page.keyboard.press("Enter")
    eventually(page, page.get_by_role("button", name="Let go").is_visible, True)
    page.hover("#a-0 [data-t]")
    check_shades(page, wanted)  # as it is pinned
    page.keyboard.press("Escape")
    check_shades(page, {})
    page.keyboard.press("Tab")
    eventually(page, lambda: focused(page, "className"), lambda name: name.startswith("cite"))


def test_a_click_pins_and_goes_there(browser, tmp_path):
    answer = wide_answer()
    with opened(browser, answer.to_html(), tmp_path) as page:
        page.click("#a-3 .cite >> nth=1")
        hit = page.locator("#passages .hit").first
        eventually(page, lambda: hit.bounding_box()["y"], lambda y: 0 <= y < 900)
        assert hit.is_visible()
        assert page.evaluate("location.hash") == ""
        page.click("#a-3 .cite >> nth=1")  # and lets go again
        eventually(page, page.locator(".hit").count, 0)
        back = page.locator("#passages .back").first
        back.click()
        eventually(page, page.locator("[data-text=answer] .cite.on").first.is_visible, True)


def select(page, start, end):
    """Select characters of the answer, as a pointer would."""
    page.evaluate(
        """([start, end]) => {
            const found = document.createTreeWalker(
                document.querySelector('[data-text=answer]'), NodeFilter.SHOW_TEXT);
            const range = document.createRange();
            let done = 0;
            for (let node = found.nextNode(); node; node = found.nextNode()) {
                if (node.parentElement.closest('.cites, .flag')) continue;
                const length = node.data.length;
                if (start >= done && start < done + length) range.setStart(node, start - done);
                if (end > done && end <= done + length) range.setEnd(node, end - done);
                done += length;
            }
            getSelection().removeAllRanges();
            getSelection().addRange(range);
        }""",
        [start, end],
    )


@pytest.mark.parametrize("words", ["Tete Gorun", "Gor", "is Tete Gorun. Tete", "Nengos"])
def test_any_words_that_are_selected_are_attributed(page, answer, words):
    start = answer.text.index(words)
    select(page, start, start + len(words))
    wanted = expected(answer, start, start + len(words))
    check_shades(page, wanted)
    assert page.locator("#told h3").inner_text().startswith(f"“{words}”")
    page.keyboard.press("Escape")
    check_shades(page, {})


def test_space_alone_is_no_words(page, answer):
    place = answer.text.index(" ")
    select(page, place, place + 1)
    check_shades(page, {})
    assert page.locator("#told h3").inner_text().startswith("The whole answer goes back to")
    words = answer.text[:place]
    select(page, 0, place)  # and does not get in the way of what is selected next
    eventually(page, page.locator("#told h3").inner_text, lambda told: told.startswith(f"“{words}"))


def test_a_double_click_selects_a_word(page, answer):
    place = answer.text.index("mayor")
    (token, *_) = touching(answer.attribution.token_spans, place, place + 5)
    page.dblclick(f"[data-text=answer] [data-t='{token}']")
    heading = page.locator("#told h3 span").first
    eventually(page, heading.inner_text, lambda told: told.startswith("“mayor"))


def test_scores_told_in_words_are_shares(page, answer):
    statement = answer.statements[0]
    page.hover("#a-0 [data-t]")
    scores = answer.attribution.for_span(statement.start, statement.end).clamp(min=0)
    check_shades(page, expected(answer, statement.start, statement.end))
    best = f"{float(scores.max() / scores.sum()):.0%}"
    assert page.locator("#told .row .share").first.inner_text() == best
    assert page.locator("#told .chip").first.inner_text() == "1"


def test_thoughts_are_folded_and_sources_as_well(browser, thoughtful, tmp_path):
    with opened(browser, thoughtful.to_html(), tmp_path) as page:
        thoughts = page.locator("details.thoughts")
        assert thoughts.get_attribute("open") is None
        assert not page.locator("[data-text=thoughts]").is_visible()
        page.click("#a-0 [data-t]")
        eventually(page, page.locator("[data-text=thoughts] .lit").count, lambda found: found > 0)
        assert thoughts.get_attribute("open") is not None  # as the response goes back to them
        page.keyboard.press("Escape")
        check_shades(page, {})
        page.hover("#h-0 [data-t]")
        statement = thoughtful.thoughts.statements[0]
        scores = thoughtful.thoughts.attribution.for_span(statement.start, statement.end)
        eventually(
            page,
            lambda: max(shades(page).items(), key=lambda item: item[1], default=(None,))[0],
            int(torch.argmax(scores)),
        )
        assert barriers(page) == []


def test_another_method_has_its_own_numbers(browser, answer, demo_reader, tmp_path):
    plain = demo_reader.with_options(estimator="average")
    other = plain.attribute(QUESTION, PASSAGES, answer.text)
    html = answer.to_html(beside={"average <attention>": other})
    with opened(browser, html, tmp_path) as page:
        assert page.locator("[data-m='1']:visible").count() == 0
        page.get_by_label("average <attention>").check()
        eventually(page, page.locator("[data-m='0']:visible").count, 0)
        shown = page.locator(".references:visible q").all_inner_texts()
        assert shown == [c.text for c in other.citations]
        page.hover("#a-0 [data-t]")
        check_shades(page, expected(other, other.statements[0].start, other.statements[0].end))
        assert barriers(page) == []


def test_what_is_pruned_is_folded_away_with_its_scores(browser, demo_reader, tmp_path):
    pruned = demo_reader.answer(QUESTION, PASSAGES, prune_to=2)
    with opened(browser, pruned.to_html(), tmp_path) as page:
        fold = page.locator("details.pruned")
        assert "2 more" in fold.locator("> summary").inner_text()
        assert not page.locator(".passage.unseen").first.is_visible()
        fold.locator("> summary").click()
        eventually(page, page.locator(".passage.unseen").first.is_visible, True)
        assert page.locator(".passage.unseen").count() == 2
        shares = page.locator(".passage.unseen .share").all_text_contents()
        drafted = dict(pruned.draft.ranked_passages)
        left = sorted((drafted[i] for i in drafted if i not in pruned.kept), reverse=True)
        total = sum(score for score in drafted.values() if score > 0)
        assert shares == [f"{max(score, 0) / total:.0%}" for score in left]
        page.click("details.draft > summary")
        said = pruned.draft.text.split(".")[0]
        draft = page.locator("details.draft")
        eventually(page, draft.inner_text, lambda shown: said in shown)


def test_proof_and_what_is_not_supported_are_visible(browser, demo_reader, tmp_path):
    said = "The mayor of Vungon is Tete Gorun. He likes cold soup and wet weather."
    answer = demo_reader.attribute(QUESTION, PASSAGES, said, prove=3)
    first, second = answer.statements
    weak = replace(answer, statements=(first, replace(second, citations=(), supported=False)))
    html = weak.to_html(evidence=demo_reader.verify(weak))
    with opened(browser, html, tmp_path) as page:
        assert page.locator(".flag").all_inner_texts() == ["not supported"]
        assert "likely without it" in page.locator(".references").inner_text()
        assert "likely without [1]" in page.locator(".proofs").inner_text()
        page.hover("#a-0 [data-t]")
        told = page.locator("#told")
        eventually(page, told.inner_text, lambda shown: "likely without [1]" in shown)
        assert barriers(page) == []


@pytest.mark.parametrize("markdown", [False, True])
def test_text_is_text_whatever_it_says(browser, demo_reader, tmp_path, markdown):
    passages = [
        Passage(text, title=text, url="javascript:window.pwned=1", id=str(i))
        for i, text in enumerate(HOSTILE)
    ]
    said = " ".join(HOSTILE)
    answer = demo_reader.attribute(HOSTILE[0], passages, said, on_overflow="truncate")
    with opened(browser, answer.to_html(markdown=markdown), tmp_path) as page:
        for number in range(len(answer.statements)):
            page.evaluate(f"document.getElementById('a-{number}')?.focus()")
            drawn(page)
        assert page.evaluate("window.pwned") is None
        assert page.locator("img, script:not(#data):not(:last-of-type), h1 + h1").count() == 0
        assert page.locator("a[href^='javascript:'], a[href^='data:']").count() == 0
        assert page.title() == HOSTILE[0].strip()
        texts = page.eval_on_selector_all(
            "#passages .text",
            "all => all.map(e => { e = e.cloneNode(true);"
            " e.querySelectorAll('.back').forEach(b => b.remove()); return e.textContent; })",
        )
        if not markdown:
            gone = {0: "\ufffd", 7: "\ufffd", 27: "\ufffd"}
            assert sorted(texts) == sorted(text.translate(gone) for text in HOSTILE)
        else:
            assert any("<script>window.pwned = 1</script>" in text for text in texts)
            assert page.locator("#passages table td strong").first.inner_text() == "x"


def test_a_megabyte_of_text_stays_text(browser, demo_reader, tmp_path):
    long = ("<b>&amp; \"quoted\" 'so' | **x** [y](z) \u202e\n" * 30_000)[:1_000_000]
    passages = [*PASSAGES, Passage(long, title="Long")]
    begin = time.process_time()
    answer = demo_reader.answer(QUESTION, passages, on_overflow="drop", max_new_tokens=8)
    html = answer.to_html()
    assert time.process_time() - begin < 60
    with opened(browser, html, tmp_path) as page:
        shown = page.eval_on_selector_all("#passages .text", "all => all.map(e => e.textContent)")
        assert long in shown


def test_two_hundred_passages_do_not_lag(browser, tmp_path, record_property):
    """Counted is what the page's thread works; what else the machine does costs time as well."""
    html = wide_answer().to_html()
    with opened(browser, html, tmp_path) as page:
        clock = work_clock(page)
        begun = clock()
        page.reload()
        page.wait_for_selector(READY)
        ready, hovers = clock() - begun, []
        groups = page.locator("[data-text=answer] .group")
        for group in groups.all():
            begun = clock()
            group.dispatch_event("pointerover", {"bubbles": True})
            drawn(page)
            hovers.append(clock() - begun)
        assert page.locator(".lit").count() > 10
    record_property("ready_seconds", ready)
    record_property("worst_hover_seconds", max(hovers))
    assert 0 < ready < 5
    assert 0 < max(hovers) < 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 390])
def test_everybody_can_use_it(browser, answer, tmp_path, scheme, width):
    with opened(browser, answer.to_html(), tmp_path, color_scheme=scheme, width=width) as page:
        assert barriers(page) == []
        page.evaluate("document.querySelector('#a-1').focus()")
        page.keyboard.press("Enter")
        eventually(page, page.locator(".lit").count, lambda found: found > 0)
        assert barriers(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(250, 249, 246)") == (scheme == "light")


def test_paper_shows_what_is_cited(browser, tmp_path):
    answer = wide_answer(30, 4)
    with opened(browser, answer.to_html(), tmp_path) as page:
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        for hidden in (".hint", "#told"):
            eventually(page, page.locator(hidden).is_visible, False)
        for cited in page.locator("#passages .cited").all():
            eventually(page, cited.is_visible, True)
        assert page.evaluate("getComputedStyle(document.querySelector('.said')).position") == (
            "static"
        )
        assert page.pdf().startswith(b"%PDF")


def test_without_scripts_text_numbers_and_references_stay(browser, answer, tmp_path):
    with opened(browser, answer.to_html(), tmp_path, script=False) as page:
        said = page.locator("[data-text=answer]").inner_text()
        assert answer.statements[0].text in said
        assert page.locator(".references li").count() == len(answer.citations)
        page.click("#a-0 .cite")
        target = page.locator("#passages :target")
        eventually(page, target.all_inner_texts, [answer.citations[0].text])


def test_a_notebook_shows_it_in_a_frame(browser, answer, tmp_path):
    html = f"<!doctype html><title>Notebook</title>{answer._repr_html_()}"
    with opened(browser, html, tmp_path, ready="iframe") as page:
        frame = page.frame_locator("iframe")
        frame.locator("body.active, body").first.wait_for()
        inside = page.frames[1]
        inside.wait_for_selector(READY)
        frame.locator("#a-0 [data-t]").first.hover()
        inside.wait_for_selector("#passages .lit")
