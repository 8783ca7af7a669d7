"""Two runs side by side, and a run as a check of somebody's CI: figures against plain counting and an exact rule."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cascade_equivalence.agreement import tango
from cascade_equivalence.study.not_worse import not_worse
from cascade_equivalence.study.results import Results
from tests.study.planted import build, task

from .harness import run

LABELS = ["a", "b", "c", "d"]
N = 120
LOST, GAINED, OTHER = range(10), range(10, 14), range(20, 23)
"""Items of the second run that the speech LLM gets wrong, right, or wrong in another way."""


def before(arm: str, name: str, condition: str, i: int) -> str:
    return LABELS[(i + (arm == "speech" and i in (*GAINED, *OTHER))) % 4]


def after(arm: str, name: str, condition: str, i: int) -> str:
    wrong = {"speech": 1 if i in LOST else 2 if i in OTHER else 0, "w": i < 40}.get(arm, 0)
    return LABELS[(i + wrong) % 4]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {name: tmp_path_factory.mktemp(name) for name in ("before", "after", "unlike")}
    one, two = task("one", LABELS, N), task("one", LABELS, N, prompt="Which?")
    build(made["before"], [one], before, resamples=100)
    build(made["after"], [two], after, resamples=100, margin=0.05)
    short = task("one", LABELS, N - 20)
    short["items"][3] |= {"text": "other words"}
    build(made["unlike"], [short], before, resamples=100)
    return made


def compared(capsys: pytest.CaptureFixture[str], *words: object) -> dict:
    assert run("compare", *words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_flips_and_differences_are_those_that_were_planted(runs: dict[str, Path], capsys) -> None:
    found = compared(capsys, runs["before"], runs["after"])
    flips = [f for f in found["flips"] if f["arm"] == "speech"]
    by_kind = {k: {f["item"] for f in flips if f["kind"] == k} for k in ("lost", "gained", "other")}
    assert by_kind == {
        "lost": {f"one{i}" for i in LOST}, "gained": {f"one{i}" for i in GAINED}, "other": {f"one{i}" for i in OTHER}
    }  # fmt: skip
    assert {f["arm"] for f in found["flips"]} == {"speech", "w"}
    row = next(a for a in found["arms"] if a["arm"] == "speech")
    exact = tango(len(GAINED), len(LOST), N)
    assert row["n"] == N and row["difference"] == {"value": exact.value, "low": exact.low, "high": exact.high}
    assert (row["lost"], row["gained"], row["other"]) == (len(LOST), len(GAINED), len(OTHER))
    assert row["before"]["value"] == pytest.approx(1 - 7 / N) and row["after"]["value"] == pytest.approx(1 - 13 / N)
    changed = {c["what"]: (c["before"], c["after"]) for c in found["changed"]}
    assert changed == {"margin": ("0.03", "0.05"), "task one: prompt": ("", "Which?")}
    assert {(v["left"], v["right"]) for v in found["verdicts"]} == {("speech", "s"), ("speech", "w")}


def test_a_run_beside_itself_has_changed_in_nothing(runs: dict[str, Path], capsys) -> None:
    found = compared(capsys, runs["before"], runs["before"])
    assert found["changed"] == found["flips"] == [] and found["left_out"] == 0
    assert all(a["difference"]["value"] == 0 and a["difference"]["low"] < 0 for a in found["arms"])


def test_items_with_other_words_are_left_out_and_counted(runs: dict[str, Path], capsys) -> None:
    found = compared(capsys, runs["before"], runs["unlike"])
    assert found["left_out"] == 1 and {a["n"] for a in found["arms"]} == {N - 21}


def test_the_terminal_lists_what_flipped(runs: dict[str, Path], capsys) -> None:
    assert run("compare", runs["before"], runs["after"], "--flips", "all") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "10 right to wrong, 4 wrong to right, 3 otherwise" not in shown, "the other arm flips too"
    assert "50 right to wrong, 4 wrong to right, 3 otherwise" in shown
    assert "one, clean, speech, one0: a → b (should be a)" in shown and "margin: 0.03 → 0.05" in shown
    assert run("compare", runs["before"], runs["after"], "--flips", "few") == 2


def checked(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict]:
    status = run("check", *words, "--json")
    return status, json.loads(capsys.readouterr().out)


def test_the_exit_status_says_not_worse_worse_or_open(runs: dict[str, Path], capsys) -> None:
    # 10 + 3 wrong of 120 where the cascade is never wrong: −10.8 points.
    for margin, status, said in ((0.3, 0, "not worse"), (0.11, 1, "open"), (0.03, 1, "worse")):
        code, found = checked(capsys, runs["after"], "--not-worse-than", "s", "--margin", margin)
        assert (code, found["passed"], found["arms"][0]["status"]) == (status, status == 0, said)
        bounds = tango(0, 13, N, level=0.90)
        assert found["arms"][0]["difference"] == pytest.approx(
            {"value": bounds.value, "low": bounds.low, "high": bounds.high}
        )
    assert checked(capsys, runs["after"], "--not-worse-than", "w")[0] == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--not-worse-than", "nobody"),
        ("--not-worse-than", "s", "--arm", "nobody"),
        ("--not-worse-than", "speech"),
        ("--not-worse-than", "s", "--margin", "3"),
        ("--not-worse-than", "s", "--task", "two"),
        ("--not-worse-than", "s", "--condition", "babble@5dB"),
    ],
)
def test_wrong_use_is_2_and_names_what_there_is(runs: dict[str, Path], capsys, words: tuple[str, ...]) -> None:
    assert run("check", runs["after"], *words) == 2
    assert capsys.readouterr().out.startswith("error: ")


def test_what_may_not_be_judged_is_open(tmp_path: Path) -> None:
    calls = task("one", LABELS, 40)
    for i, item in enumerate(calls["items"]):
        item["group"] = f"call {i % 10}"
    few: Results = build(tmp_path, [calls], before, resamples=100)
    (found,) = not_worse(few, "s", margin=0.9)
    assert found.status == "open" and "too few" in str(found.why_open)
