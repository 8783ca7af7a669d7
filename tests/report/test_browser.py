"""The page in a real Chromium: nothing to scroll sideways, filters, players, paper, no network, no scripts, axe.

`CEQ_RUN` may name the directory of a real run, whose page is then looked at too.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cascade_equivalence.report.html import render
from cascade_equivalence.study.at_level import at_level
from cascade_equivalence.study.results import analyse

from .journals import NASTY, Made, make_run
from .speaking import speaking

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
REAL = os.environ.get("CEQ_RUN")
WIDTHS = {"desk": (1280, 900), "phone": (390, 844)}
MOST_PAGES = 12

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian: apt install chromium)"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        arguments = ["--autoplay-policy=no-user-gesture-required", "--mute-audio"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            arguments.append("--no-sandbox")
        launched = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    planted = tmp_path_factory.mktemp("planted")
    results = speaking(planted)
    made = {"planted": planted / "page.html"}
    made["planted"].write_text(render(results, planted, "all", at_level(results, 2.5)), encoding="utf-8")
    if REAL:
        made["real"] = tmp_path_factory.mktemp("real") / "page.html"
        made["real"].write_text(render(analyse(Path(REAL)), Path(REAL)), encoding="utf-8")
    return made


@pytest.fixture(params=["planted", pytest.param("real", marks=pytest.mark.skipif(not REAL, reason="CEQ_RUN"))])
def address(request: pytest.FixtureRequest, pages: dict[str, Path]) -> str:
    return pages[request.param].as_uri()


class Opened:
    """A page, with what it said on the console and asked of any network."""

    def __init__(self, browser: Any, address: str, width: str = "desk", **context: Any) -> None:
        size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
        self.context = browser.new_context(viewport=size, reduced_motion="reduce", **context)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *error: object) -> None:
        self.context.close()

    def quiet(self) -> bool:
        """Whether nothing was said, and nothing asked for but the file and what is inside it."""
        strangers = [url for url in self.asked if not url.startswith(("file:", "data:"))]
        return not self.said and not strangers and sum(url.startswith("file:") for url in self.asked) == 1


def sideways(page: Any, place: str) -> list[str]:
    """What of the elements under `place` reaches beyond the window, and what there must be scrolled sideways."""
    found: list[str] = page.evaluate(
        """place => {
          const wide = document.documentElement.clientWidth;
          const skipped = e => e.closest('.hidden') || e.closest('svg svg, svg *');
          const seen = [...document.querySelectorAll(place + ', ' + place + ' *')]
            .filter(e => e.getClientRects().length && !skipped(e));
          const outside = box => box.right > wide + 1 || box.left < -1;
          const scrolls = e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'auto';
          return seen.filter(e => outside(e.getBoundingClientRect()) || scrolls(e))
            .map(e => e.tagName + '.' + e.className + ': ' + e.textContent.slice(0, 40));
        }""",
        place,
    )
    return found


@pytest.mark.parametrize("width", WIDTHS)
def test_head_and_matrix_need_no_scrolling_sideways(browser: Any, address: str, width: str) -> None:
    with Opened(browser, address, width) as opened:
        page = opened.page
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        for place in ("header.page", "#head", "#agreement .matrix"):
            assert sideways(page, place) == []
        for verdict in page.query_selector_all(".matrix .verdict"):
            box = verdict.bounding_box()
            assert box and box["width"] > 0 and box["x"] + box["width"] <= WIDTHS[width][0]
        assert opened.quiet(), (opened.said, opened.asked[:5])


def test_filters_tell_the_truth_and_stay_in_the_address(browser: Any, address: str) -> None:
    with Opened(browser, address) as opened:
        page = opened.page
        every = page.locator("[data-trial]").count()
        page.select_option("#filter [name=outcome]", "lost")
        shown = page.evaluate(
            "[...document.querySelectorAll('[data-trial]')].filter(t => !t.hidden).map(t => t.dataset.lost)"
        )
        assert 0 < len(shown) < every and all(shown)
        lost = page.evaluate("[...document.querySelectorAll('[data-trial]')].filter(t => t.dataset.lost).length")
        assert lost == len(shown)
        assert page.text_content("#filter-count").startswith(f"{len(shown)} of {every} trials")
        page.select_option("#filter [name=condition]", index=1)
        page.select_option("#filter [name=pair]", index=1)
        count = page.text_content("#filter-count")
        assert re.search(r"#trials\?condition=[^&]+&pair=.+&outcome=the%20cascade%20alone$", page.url)
        page.reload()
        assert page.text_content("#filter-count") == count
        visible = page.evaluate("[...document.querySelectorAll('[data-trial]')].filter(t => !t.hidden).length")
        assert count.startswith(f"{visible} of {every} trials")
        page.click("#filter button[type=reset]")
        page.wait_for_function("!location.hash.includes('?')")
        assert page.text_content("#filter-count").startswith(f"{every} of {every} trials")


def test_every_shown_trial_plays_in_place(browser: Any, address: str) -> None:
    with Opened(browser, address) as opened:
        page = opened.page
        trials, players = page.locator("[data-trial]").count(), page.locator("[data-trial] audio").count()
        assert trials == players > 24
        seconds = page.evaluate(
            """async () => {
              const found = [];
              for (const audio of document.querySelectorAll('audio')) {
                await new Promise((done, failed) => {
                  audio.onloadedmetadata = done;
                  audio.onerror = () => failed(audio.getAttribute('aria-label'));
                  audio.preload = 'metadata';
                  audio.load();
                });
                found.push(audio.duration);
              }
              return found;
            }"""
        )
        assert len(seconds) == players and all(0.2 < one < 60 for one in seconds)
        played = page.evaluate(
            """async () => {
              const audio = document.querySelector('audio');
              await audio.play();
              await new Promise(done => { audio.ontimeupdate = () => audio.currentTime > 0.1 && done(); });
              return audio.currentTime;
            }"""
        )
        assert played > 0.1
        assert opened.quiet(), (opened.said, opened.asked[:5])


def test_on_paper_the_findings_come_first_and_all_is_short(browser: Any, address: str) -> None:
    pypdf = pytest.importorskip("pypdf")
    with Opened(browser, address) as opened:
        headline = opened.page.text_content("h1")
        margins = dict.fromkeys(("top", "bottom", "left", "right"), "1cm")
        printed = pypdf.PdfReader(io.BytesIO(opened.page.pdf(format="A4", margin=margins)))
    first = " ".join(printed.pages[0].extract_text().split())
    assert " ".join(headline.split())[:60] in first and "Is it more than a cascade?" in first
    assert len(printed.pages) <= MOST_PAGES


@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_whole_without_scripts(browser: Any, address: str, width: str) -> None:
    with Opened(browser, address, width, java_script_enabled=False) as opened:
        page = opened.page
        assert not page.locator("#filter").is_visible() and page.locator(".card").first.is_visible()
        assert page.locator(".card audio").count() == page.locator(".card").count()
        assert page.locator(".matrix").is_visible() and page.locator("nav").is_visible()
        page.locator("#agreement-all > summary").click()
        assert page.locator("#agreement-all table").first.is_visible()
        box = page.locator("h1").bounding_box()
        assert box and box["x"] + box["width"] <= WIDTHS[width][0]
        assert opened.quiet(), (opened.said, opened.asked[:5])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_serious(browser: Any, address: str, scheme: str, width: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    with Opened(browser, address, width, color_scheme=scheme) as opened:
        # All that is folded away is looked at too.
        opened.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        found = axe.Axe().run(opened.page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in serious] == []


def test_anchors_lead_to_what_is_folded_away(browser: Any, address: str) -> None:
    for place in ("agreement-all", "trials", "accuracy"):
        with Opened(browser, f"{address}#{place}") as opened:
            top = opened.page.locator(f"[id='{place}']").bounding_box()
            nav = opened.page.locator("nav").bounding_box()
            assert top and nav and nav["y"] == 0, "the sections stay in sight"
            assert top["y"] >= nav["height"] - 1 and top["y"] < WIDTHS["desk"][1]
    with Opened(browser, address) as opened:
        row = opened.page.locator(".matrix tbody tr[id]").last
        opened.page.evaluate("place => { location.hash = '#' + encodeURIComponent(place); }", row.get_attribute("id"))
        opened.page.wait_for_timeout(100)
        assert opened.page.evaluate("document.querySelector(':target').id") == row.get_attribute("id")
        box = row.bounding_box()
        assert box and 0 <= box["y"] < WIDTHS["desk"][1]


def test_hostile_names_do_nothing(browser: Any, tmp_path: Path) -> None:
    name = f'\u202e"><img src=x onerror=alert(1)>{NASTY}'
    made = Made(tasks={name: ("labels", (name, "b"))}, arms=("gold", f"s{name}", "w"), n=24, text=name, read=name)
    run = make_run(tmp_path, made)
    (tmp_path / "page.html").write_text(render(analyse(run), run), encoding="utf-8")
    with Opened(browser, (tmp_path / "page.html").as_uri()) as opened:
        opened.page.select_option("#filter [name=task]", index=1)
        opened.page.reload()
        assert opened.page.locator("#filter [name=task]").input_value() == "0"
        assert opened.page.locator("img").count() == 0 and opened.page.locator("script").count() == 1
        assert "\u202e" not in opened.page.content()
        assert opened.quiet() or opened.asked[1:] == opened.asked[:1], (opened.said, opened.asked[:5])
        assert not opened.said
