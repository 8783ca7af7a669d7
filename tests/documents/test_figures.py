"""Figures in README and docs: a measured one is in the result that its paragraph links to, a calculated one is
calculated again, and the others are constants of the rules, named here once."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest

from cascade_equivalence.agreement import planning
from cascade_equivalence.agreement.interval import wilson
from cascade_equivalence.agreement.parts import ALPHA, EPSILON
from cascade_equivalence.cli import main
from cascade_equivalence.pocket.registry import EMBEDDED
from cascade_equivalence.study.latency import FOR_P95
from cascade_equivalence.study.spec import Study

from .blocks import ROOT, TEXTS

UNIT = r"(?:%|×(?! \d)|points?\b|s\b|min\b|[kMG]i?B\b|trials/s|hours?\b|ms\b|seconds?\b)"
FIGURE = re.compile(rf"(?<![\w.@/,-])[−+±]?\d[\d.,–]*\s?{UNIT}")
RESULT = re.compile(r"\]\(([^)\s#]*(?:RESULTS[^)\s#/]*\.md|CARD\.md|\.csv|\.json))(?:#[^)]*)?\)")
RULES = {
    # The margin, and what is planted or planned beside it.
    "±3 points", "+3 points", "3 points", "6 points", "8 points",
    # Level, intervals, power, tolerance of a match; the hearing check; discordances; symbols enough.
    "5 %", "95 %", "80 %", "± 5 %", "10 %", "9 %", "20 %", "98 %",
    # Of disagreement: test_kappa_in_points.
    "2.5 points",
    # Shifts, frames, packets, positions; rooms, Whisper's window, the longest clip.
    "10 ms", "20 ms", "60 ms", "80 ms", "0.5 s", "0.6 s", "1.2 s", "30 s", "40 s",
    # Downloads, the wheel (test_wheel), and those of others: torch for CPUs, vLLM.
    "310 MB", "37 MB", "200 MB", "3.4 GB",
}  # fmt: skip


def paragraphs(text: str) -> list[str]:
    """Without code, list items by themselves."""
    plain = re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", text, flags=re.S))
    return [re.sub(r"\s+", " ", part) for part in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", plain)]


@pytest.mark.parametrize("name", [name for name in TEXTS if name.startswith(("README", "docs/"))])
def test_a_measured_figure_is_in_the_result_that_its_paragraph_links_to(name: str) -> None:
    loose = []
    for paragraph in paragraphs(TEXTS[name]):
        sources = [(ROOT / name).parent / link for link in RESULT.findall(paragraph)]
        committed = " ".join(re.sub(r"\s+", " ", source.read_text(encoding="utf-8")) for source in sources)
        for found in FIGURE.findall(paragraph):
            figure = unicodedata.normalize("NFKC", found).strip()
            if figure not in RULES and not re.search(rf"(?<![\d.,]){re.escape(figure)}", committed):
                loose.append((figure, paragraph[:80]))
    assert loose == []


def test_the_items_that_the_questions_name_are_those_of_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    page = TEXTS["docs/faq.md"]
    rows = re.findall(r"^\| ([^|]+?) \| (\d+) % \| (\d+) \|$", page, re.M)
    shown = {(claim, int(share)): int(items) for claim, share, items in rows}
    asked = {
        ("same accuracy", 5): ("--discordance", "0.05"),
        ("same accuracy", 10): ("--discordance", "0.10"),
        ("same accuracy", 20): ("--discordance", "0.20"),
        ("better, if 6 points ahead", 10): ("--discordance", "0.10", "--difference", "0.06"),
        ("same accuracy and same answers, κ .93 under a ceiling of .95, four labels", 5): (
            "--discordance", "0.05", "--kappa", "0.93", "--ceiling", "0.95",
        ),
    }  # fmt: skip
    planned = {}
    for key, words in asked.items():
        assert main(["plan", *words, "--json"]) == 0
        planned[key] = json.loads(capsys.readouterr().out)["items"]
        assert f"ceq plan {' '.join(words)}\n" in page
    assert shown == planned


def test_constants_are_those_of_the_code() -> None:
    assert (ALPHA, EPSILON, Study.model_fields["margin"].default) == (0.05, 0.05, 0.03)
    assert (
        round(sum(EMBEDDED[name].download_mb for name in ("smollm2-135m", "whisper-base", "whisper-tiny.en")), -1)
        == 310
    )
    high = wilson(0, 40).high
    assert high is not None and 0.08 < high < 0.09
    assert f"`latency: {FOR_P95}`" in TEXTS["docs/studies.md"] and f"`latency: {FOR_P95}`" in TEXTS["docs/choosing.md"]


def test_kappa_in_points() -> None:
    assert [EPSILON * (1 - 1 / labels) for labels in (2, 5)] == pytest.approx([0.025, 0.04])


def test_the_usual_formula_asks_for_fewer() -> None:
    needed = planning.items_for_margin(0.05, 0.03, 0.8)
    usual = (1.6449 + 1.2816) ** 2 * 0.05 / 0.03**2
    assert needed is not None and 470 < usual < 485 < needed
