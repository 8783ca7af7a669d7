import base64
import hashlib
import io
import os
import resource
import subprocess
import sys
from dataclasses import replace

import pytest
import soundfile

from cascade_equivalence.agreement import verdict, verdict_words
from cascade_equivalence.errors import RunError
from cascade_equivalence.report import numbers
from cascade_equivalence.report.curves import in_noise_order
from cascade_equivalence.report.drawing import COLOURS
from cascade_equivalence.report.html import render, write_html
from cascade_equivalence.study.results import analyse

from .journals import NASTY, TOPICS, Made, make_run
from .page import Page

TWO_TASKS = {"topic": ("labels", TOPICS), "sentiment": ("labels", ("negative", "positive"))}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    directory = make_run(tmp_path_factory.mktemp("run"), Made(tasks=TWO_TASKS))
    results = analyse(directory)
    text = write_html(results, directory).read_text(encoding="utf-8")
    return results, text, Page(text)


def test_page_fetches_nothing(study):
    _, _, page = study
    for tag, attrs in page.elements:
        for name in ("src", "href", "data", "action", "srcset", "poster", "xlink:href"):
            if name in attrs:
                assert attrs[name].startswith(("data:audio/ogg", "#")), (tag, attrs)
        assert tag not in {"link", "iframe", "object", "embed", "base"}
    assert "@import" not in study[1] and "url(" not in study[1]


def test_policy_allows_exactly_the_one_script(study):
    _, _, page = study
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_every_accuracy_stands_with_interval_and_n(study):
    results, _, page = study
    for cell in results.cells:
        shown = f"{numbers.percent(cell.accuracy.value)} {numbers.limits(cell.accuracy, 'percent')} {cell.n}"
        assert shown in page.text


def test_every_kappa_stands_with_interval_and_references_have_no_verdict(study):
    results, _, page = study
    for c in results.comparisons:
        assert f"{numbers.coefficient(c.pair.kappa.value)} {numbers.limits(c.pair.kappa)}" in page.text
        assert c.verdict is None
    assert page.text.count("topic and sentiment pooled: cascade-s against gold") == 1
    assert not [a for a in page.all("span") if "verdict" in a.get("class", "")]


def test_verdicts_stand_in_words_with_their_reason(tmp_path):
    made = Made(tasks={"topic": ("labels", TOPICS)})
    results = analyse(make_run(tmp_path, made))
    said = tuple(replace(c, verdict=verdict(c.pair, 0.9)) for c in results.comparisons)
    page = Page(render(replace(results, comparisons=said), tmp_path))
    for c in said:
        assert c.verdict.reason[1:] in page.text
        assert verdict_words.title(c.verdict) in page.text


def test_identities_come_before_numbers(study):
    _, text, _ = study
    assert text.index('id="identities"') < text.index('id="accuracy"') < text.index('id="agreement"')
    assert "llmllmllmllm" in text


def test_every_trial_that_is_shown_can_be_played_in_place(study):
    results, _, page = study
    players = page.all("audio")
    assert len(players) == len(results.disagreements) > 24
    sound = base64.b64decode(players[0]["src"].partition(",")[2])
    with soundfile.SoundFile(io.BytesIO(sound)) as file:
        assert (file.format, file.subtype, file.channels) == ("OGG", "OPUS", 1)
        assert file.frames / file.samplerate == pytest.approx(0.25, abs=0.03)
    assert f"{len(results.disagreements) - 24} more trials" in page.text
    assert all(a.get("aria-label") for a in players)
    assert not [a for a in page.all("a") if not a["href"].startswith("#")]


def test_words_that_differ_are_marked_and_case_is_told_apart(study):
    _, text, _ = study
    assert "<del>out</del>" in text and "<mark>up</mark>" in text
    assert '<span class="written">voters</span>' in text and '<span class="written">draft,</span>' in text


def test_charts_have_words_for_those_who_do_not_see_them(study):
    _, _, page = study
    charts = [a for a in page.all("figure") if a.get("class") == "chart"]
    assert len(charts) == 4
    assert all(a["role"] == "img" and "%" in a["aria-label"] for a in charts)
    assert all(a.get("scope") for a in page.all("th"))


def test_style_knows_every_colour_the_charts_are_drawn_in(study):
    _, text, _ = study
    for colour in COLOURS:
        assert f'[stroke="{colour}"]' in text and f'[fill="{colour}"]' in text


def test_names_and_transcripts_cannot_become_markup(tmp_path):
    labels = (NASTY, 'b" onload="x', "{{ 7 * 7 }}")
    made = Made(
        tasks={f"t{NASTY}": ("labels", labels)},
        conditions=("clean", f"babble@0dB{NASTY}"),
        arms=("gold", f"cascade-s{NASTY}", 'cascade-w\'"]+alert(1)+["'),
        text=f"{NASTY} <img src=x onerror=alert(1)>",
        read=f"heard {NASTY} <b>",
    )
    directory = make_run(tmp_path, made)
    page = Page(render(analyse(directory), directory))
    assert len(page.all("script")) == 1 and "alert" not in page.scripts[0]
    assert not page.all("img") and not page.all("b")
    # The only handler attributes that could run are written by us: none.
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert NASTY in page.text and "{{ 7 * 7 }}" in page.text


@pytest.mark.parametrize(
    "made",
    [
        Made(conditions=("clean",)),
        Made(arms=("gold",)),
        Made(arms=("cascade-s",), conditions=("clean",)),
        Made(gold=False, latency=False, conditions=("clean",)),
        Made(tasks={"trivia": ("open", ("Paris", "Rome"))}, conditions=("clean",)),
        Made(sound=False, conditions=("clean",)),
        Made(constant=True, conditions=("clean",)),
    ],
    ids=["one condition", "gold alone", "one arm", "no gold labels", "open", "clips gone", "constant arms"],
)
def test_incomplete_studies_have_a_page(tmp_path, made):
    directory = make_run(tmp_path, made)
    page = Page(render(analyse(directory), directory))
    assert "Limits: what this study cannot say" in page.text
    assert "None" not in page.text.split() and "nan" not in page.text.split()
    if not made.sound:
        assert "The clip is not in the run directory" in page.text and not page.all("audio")
    if made.constant:
        assert "– both systems give one and the same label" in page.text
    if not made.gold:
        assert "– no gold labels" in page.text


def test_unfinished_cells_say_so(tmp_path):
    directory = make_run(tmp_path, Made(stop_after=10, conditions=("clean",)))
    page = Page(render(analyse(directory), directory))
    assert "10 of 24" in page.text and "This run is not finished: 44 of 72 answers" in page.text


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path):
    directory = make_run(tmp_path, Made(conditions=("clean",)))
    results = analyse(directory)
    (directory / "report.html").write_text("before")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, old[1]))
    try:
        with pytest.raises(RunError, match=r"report\.html: the report cannot be written"):
            write_html(results, directory)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert (directory / "report.html").read_text() == "before"
    assert not list(directory.glob(".*.part"))


def test_conditions_go_from_clean_to_hard():
    mixed = ["babble@0dB", "reverb@0.6s", "clean", "babble@-5dB", "babble@20dB"]
    chain = ["gain@-6dB", "gain@6dB", "reverb@0.6s+babble@0dB", "reverb@0.6s+babble@20dB"]
    assert in_noise_order(chain) == [*chain[:2], chain[3], chain[2]], "a gain is no level of noise"
    assert in_noise_order(mixed) == ["clean", "babble@20dB", "babble@0dB", "babble@-5dB", "reverb@0.6s"]


def test_importing_the_report_loads_no_chart_or_template_engine():
    code = (
        "import sys, cascade_equivalence.cli, cascade_equivalence.report.html, cascade_equivalence.report.terminal\n"
        "assert not {'altair', 'vl_convert', 'jinja2', 'soundfile'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
