"""The head of a report: on planted runs of every outcome it says what is so, in the terminal as on the page."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from rich.console import Console

from cascade_equivalence.agreement import Interval, Verdict
from cascade_equivalence.commands.report import write
from cascade_equivalence.report import numbers
from cascade_equivalence.report.head import Card, Head, head
from cascade_equivalence.report.head.words import condition_words, headline
from cascade_equivalence.report.html import render
from cascade_equivalence.report.terminal_head import LINES, lines, print_head
from cascade_equivalence.run.journal import Journal
from cascade_equivalence.run.layout import JOURNAL
from cascade_equivalence.study.results import Results, analyse
from tests.shared_data import SHARED
from tests.study.planted import build, task

from .page import Page

EARLIER = SHARED / "data/journal-0e4c615.sqlite"
LABELS = ["a", "b", "c", "d"]
Said = Callable[[str, int], int]
"""(arm, index of the item) → how far its label is from the right one."""


def answers(arm: str, i: int) -> int:
    """The cascades err together on 15 % of the items, and apart on 1 %; the LLM on the true text on 10 %."""
    wrong = i % 20 in ((3, 7) if arm == "gold" else (3, 7, 13))
    return int(wrong) ^ int(arm in ("s", "w") and i % 100 == {"s": 50, "w": 51}[arm])


def speech(own: Callable[[int], int]) -> Said:
    return lambda arm, i: own(i) if arm == "speech" else answers(arm, i)


OUTCOMES: dict[str, tuple[Said, int, str, str]] = {
    "better": (speech(lambda i: int(i % 20 == 3)), 1000, "speech is more than the cascade on its own LLM", "better"),
    "worse": (
        speech(lambda i: int(i % 4 == 3)), 1000, "speech is less accurate than the cascade on its own LLM", "worse",
    ),
    "same": (
        speech(lambda i: answers("s", i) ^ int(i % 200 == 33)), 1000,
        "speech does the same as the cascade on its own LLM", "same accuracy, same answers",
    ),
    "other answers": (
        speech(lambda i: 2 * answers("s", i)), 1000,
        "speech is as accurate as the cascade on its own LLM, with other answers", "same accuracy, other answers",
    ),
    "other answers, open": (
        speech(lambda i: int(i % 20 in (4, 8, 14))), 400,
        "speech answers otherwise than the cascade on its own LLM; which is more accurate cannot be told yet",
        "other answers; accuracy: cannot tell yet",
    ),
    "open": (
        speech(lambda i: int(i in (1, 3, 7, 13, 23))), 40,
        "speech is not shown to be more than the cascade on its own LLM", "cannot tell yet",
    ),
    "measures nothing": (
        lambda arm, i: i % 4, 400, "No verdict: these items cannot tell a speech LLM from its cascade", "no verdict",
    ),
}  # fmt: skip


def planted(directory: Path, said: Said, n: int, **study: object) -> Results:
    def label(arm: str, name: str, condition: str, i: int) -> str:
        return LABELS[(i + said(arm, i)) % 4]

    results = build(directory, [task("t", LABELS, n)], label, **study)
    journal = Journal(directory / JOURNAL)
    for arm, seconds in {"gold": 0.1, "s": 0.4, "w": 0.2, "speech": 0.3}.items():
        stages = [{"audio": 2.0, "asr": seconds / 2, "llm": seconds / 2 + 0.001 * i} for i in range(80)]
        journal.put_fact(f"latency:{arm}", {"arm": arm, "task": "t", "stages": stages})
    journal.close()
    return replace(analyse(directory), matches=results.matches)


def unglued(text: str) -> str:
    """With ordinary spaces, as `Page` and the terminal have them."""
    return " ".join(text.split())


def terminal(shown: Head) -> str:
    out = io.StringIO()
    print_head(shown, Console(file=out, width=80))
    return out.getvalue()


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_has_its_headline_card_and_advice(tmp_path: Path, outcome: str) -> None:
    said, n, wanted, kind = OUTCOMES[outcome]
    results = planted(tmp_path, said, n)
    shown = head(results)
    assert shown.headline == wanted
    (card,) = shown.cards
    assert card.title.startswith(kind)
    assert (card.arm, card.against, card.primary) == (
        "speech",
        "s",
        card.verdict is not None and card.verdict.kind is not None,
    )
    consistent(shown, results)


def consistent(shown: Head, results: Results) -> None:
    """What the head says is what the results say, everywhere alike, and fits the terminal."""
    text = " ".join(terminal(shown).split())
    page = Page(render(results, results_directory(results))).text
    assert shown.headline in text and shown.headline in page
    for card in shown.cards:
        verdict = card.verdict
        assert verdict is not None
        if verdict.better == "yes":
            assert "is more than" in shown.headline or "are more than" in shown.headline
            assert "Yes" in card.more
        elif "is more than" in shown.headline and len(shown.cards) == 1:
            raise AssertionError(f"{shown.headline}, but better is {verdict.better}")
        if verdict.better == "no":
            assert "No" in card.more
        for words in (card.title, card.more, card.accuracy, card.answers):
            assert unglued(words[1:]) in page
        if card.decide:
            assert unglued(card.decide) in page and verdict.name == "undecided"
    if shown.build:
        picks = [row.arm for row in shown.build.rows if row.pick]
        assert len(picks) <= 1
        for row in shown.build.rows:
            for figure in filter(None, (row.clean, row.noise, row.p50)):
                assert unglued(figure) in text
                assert unglued(figure) in page
        first = results.columns[0].choice
        if picks and first:
            assert first.pick == picks[0]
            assert f"build {picks[0]}" in shown.build.advice[0]
    for check in shown.checks:
        assert unglued(check.text) in page
    counted = sum(c.verdict is not None and c.verdict.family is not None for c in results.comparisons)
    assert page.count("adjusted for their number") <= 2
    if counted:
        assert shown.adjusted.startswith(f"{counted} primary verdict") and shown.adjusted in page
    assert len(terminal(shown).splitlines()) <= LINES
    assert max(map(len, terminal(shown).splitlines())) <= 80


def test_one_object_has_the_figures_of_the_page_and_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = head(planted(tmp_path, OUTCOMES["worse"][0], 400))
    write(tmp_path, json=True)
    said = json.loads(capsys.readouterr().out)
    assert said | {"own_snr": None, "failures": None} == json.loads(json.dumps(asdict(shown))) | {
        "own_snr": None,
        "failures": None,
    }
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert unglued(said["headline"]) in page
    for card in said["cards"]:
        assert unglued(card["title"][1:]) in page and numbers.coefficient(card["kappa"]["value"]) in page
    assert all(unglued(row["clean"]) in page for row in said["build"]["rows"])


def results_directory(results: Results) -> Path:
    """Cards with sound are not looked at here: any directory without clips will do."""
    return Path("/nonexistent")


def test_the_cheapest_not_worse_is_advised_and_where_none_is_the_open_ones_are_named(tmp_path: Path) -> None:
    same = head(planted(tmp_path / "same", OUTCOMES["same"][0], 1000))
    assert same.build and [row.arm for row in same.build.rows if row.pick] == ["w"]
    run = planted(tmp_path / "few", speech(lambda i: 0), 40)
    few = head(run)
    assert few.build and [row.arm for row in few.build.rows if row.pick] == ["speech"]
    tiny = head(replace(run, columns=tuple(replace(column, n=12) for column in run.columns)))
    assert tiny.build and not [row.arm for row in tiny.build.rows if row.pick]
    assert tiny.build.advice == ("No recommendation: 12 items are too few (at least 20).",)
    idle = head(planted(tmp_path / "idle", lambda arm, i: i % 4, 400))
    assert idle.build and not [row.arm for row in idle.build.rows if row.pick]
    (advice,) = idle.build.advice
    assert "is right on 25.0 %, not shown to beat chance (25.0 %)" in advice.replace("\N{NO-BREAK SPACE}", " ")
    assert "no cheaper one is shown to be within 3 points of it: w (" in few.build.advice[0].replace(
        "\N{NO-BREAK SPACE}", " "
    )


def test_p95_has_its_upper_limit_from_72_requests_on_and_prices_give_costs(tmp_path: Path) -> None:
    shown = head(planted(tmp_path, OUTCOMES["same"][0], 40, prices={"gpu_hour": 3.6}))
    assert shown.build and shown.build.price_title == "Cost per 1,000"
    row = next(row for row in shown.build.rows if row.arm == "w")
    assert "≤" in row.p95 and "~" not in row.p95
    # 0.2 s and a little a request: 1,000 of them are 240 s of an hour that costs 3.6.
    assert row.price == "0.24" and unglued(row.compute) == "4.0 min"


def test_an_unfinished_run_is_interim_and_advises_nothing(tmp_path: Path) -> None:
    planted(tmp_path, OUTCOMES["worse"][0], 400)
    with sqlite3.connect(tmp_path / JOURNAL) as db:
        db.execute("DELETE FROM answers WHERE arm = 'speech' AND item LIKE 't3%'")
    db.close()
    shown = head(analyse(tmp_path))
    assert shown.headline.startswith("Interim figures")
    assert shown.cards[0].title.startswith("interim: ")
    assert shown.build and shown.build.advice == ("No recommendation yet: not all planned trials are done.",)
    assert any("not finished" in warning for warning in shown.warnings)


@pytest.mark.parametrize(
    ("kinds", "wanted"),
    [
        ((("worse", "no"), ("open", "no")), "Neither speech LLM is more than the cascade on its own LLM"),
        (
            (("worse", "no"), ("open", "no"), ("same", "no")),
            "None of 3 speech LLMs is more than the cascade on its own LLM",
        ),
        ((("better", "yes"), ("worse", "no")), "a is more than the cascade on its own LLM; b is not"),
        ((("better", "yes"), ("open", "open")), "a is more than the cascade on its own LLM; b is not shown to be"),
        ((("better", "yes"), ("better", "yes")), "Both speech LLMs are more than the cascades on their own LLMs"),
        ((("worse", "no"), ("open", "open")), "No speech LLM is shown to be more than the cascade on its own LLM"),
        ((("open", "no"),), "a is not more than the cascade on its own LLM"),
        ((("same accuracy", "no"),), "a is as accurate as the cascade on its own LLM"),
    ],
)
def test_the_headline_over_several_speech_llms(kinds: tuple[tuple[str, str], ...], wanted: str) -> None:
    names = {"better": "different", "worse": "different", "same": "equivalent"}
    shown = [
        card(name, Verdict(names.get(kind, "undecided"), kind, better))  # type: ignore[arg-type]
        for name, (kind, better) in zip("abc", kinds, strict=False)
    ]
    assert headline(shown, own=True) == wanted
    # A planted control says nothing of speech LLMs.
    control = replace(card("control", Verdict("different", "better", "yes")), planted=True)
    assert headline([*shown, control], own=True) == wanted


def card(arm: str, verdict: Verdict) -> Card:
    none = Interval(None)
    return Card(arm, "s", "", False, verdict, "", "", "", none, none, 0.03, "", none, None, None, "", None, True)


def test_many_systems_still_fit_twenty_lines(tmp_path: Path) -> None:
    shown = head(planted(tmp_path, OUTCOMES["open"][0], 40))
    assert shown.build
    row = shown.build.rows[0]
    many = replace(shown, build=replace(shown.build, rows=(row, *(replace(row, arm="x" * 60) for _ in range(30)))))
    text = [line.plain for line in lines(many)]
    assert len(text) <= LINES and max(map(len, text)) <= 80
    assert any("more systems: --full" in line for line in text)


def test_names_become_no_markup_and_move_no_cursor(tmp_path: Path) -> None:
    shown = replace(head(planted(tmp_path, OUTCOMES["open"][0], 40)), study="[red]\x1b[2J<b>")
    assert "[red]?[2J<b>" in terminal(shown)


@pytest.mark.parametrize(
    ("condition", "said"),
    [("clean", "clean speech"), ("babble@5dB", "babble at 5 dB"), ("reverb@0.6s", "reverb@0.6s"),
     ("noise:kitchen@-2.5dB", "noise kitchen at −2.5 dB")],
)  # fmt: skip
def test_conditions_are_said_in_words(condition: str, said: str) -> None:
    assert unglued(condition_words(condition)) == said


@pytest.mark.skipif(not EARLIER.is_file(), reason="the shared data are not here")
def test_the_head_of_a_real_run_holds_together(tmp_path: Path) -> None:
    shutil.copyfile(EARLIER, tmp_path / JOURNAL)
    results = analyse(tmp_path)
    shown = head(results)
    assert shown.headline == "Neither speech LLM is more than the cascade on its own LLM"
    assert shown.build and [row.arm for row in shown.build.rows if row.pick] == ["cascade-w"]
    assert {check.mark for check in shown.checks} == {"yes", "warn", "no"}
    assert any("No published speech LLM’s weights were run" in check.text for check in shown.checks)
    consistent(shown, results)
