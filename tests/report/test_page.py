"""The page's matrix, sounds, order of trials, own SNR and anchors, against the results it is made from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cascade_equivalence.errors import UsageError
from cascade_equivalence.report import numbers
from cascade_equivalence.report.anchors import anchor
from cascade_equivalence.report.cards import MOST_CARDS, cards
from cascade_equivalence.report.html import render
from cascade_equivalence.report.matrix import matrix
from cascade_equivalence.run.layout import CLIPS
from cascade_equivalence.study.at_level import at_level, parse_level
from cascade_equivalence.study.results import POOLED, Results
from tests.commands.harness import run

from .journals import Made, make_run
from .page import Page
from .speaking import CONDITIONS, speaking


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Results, Path]]:
    directory = tmp_path_factory.mktemp("speaking")
    yield speaking(directory), directory


def test_the_matrix_has_every_judged_pair_and_the_ceiling_with_interval_and_n(study: tuple[Results, Path]) -> None:
    results, directory = study
    found = matrix(results)
    assert found is not None
    assert [(p.left, p.right, p.ceiling) for p in found.pairs] == [
        ("speech", "s", False), ("speech", "w", False), ("s", "w", True),
    ]  # fmt: skip
    assert [(r.task, r.condition) for r in found.rows] == [
        (t, c) for t in (POOLED, "topic", "sentiment") for c in CONDITIONS
    ]
    page = Page(render(results, directory, "none"))
    for row in found.rows:
        assert [a for a in page.all("tr") if a.get("id") == f"agreement/{row.task}/{row.condition}"]
        for cell in row.cells:
            kappa = cell.pair.kappa
            shown = f"{numbers.coefficient(kappa.value)} {numbers.limits(kappa)} n {cell.pair.n}"
            assert shown in page.text


def test_first_come_trials_on_which_one_of_the_two_alone_is_right(study: tuple[Results, Path]) -> None:
    results, directory = study
    made = cards(results, directory, "none")
    right = {
        (a.task, a.condition, a.item, a.arm): bool(a.right) for a in results.answers() if a.arm in ("speech", "s", "w")
    }
    trials = {key[:3] for key in right}
    for row in made.turned:
        pairs = [(right[*t, row.left], right[*t, row.right]) for t in trials]
        assert row.lost == pairs.count((False, True)) and row.gained == pairs.count((True, False))
    assert made.turned[0].lost > 0
    assert len(made.shown) == MOST_CARDS and all(c.lost or c.gained for c in made.shown)
    turned = [bool(c.lost or c.gained) for c in (*made.shown, *made.rest)]
    assert turned == sorted(turned, reverse=True)


def test_sounds_are_those_that_were_heard_or_are_not_played(study: tuple[Results, Path]) -> None:
    results, directory = study
    made = cards(results, directory, "all")
    every = [*made.shown, *made.rest]
    assert all(c.sound and c.sound.uri for c in every)
    some = cards(results, directory, "some")
    assert all(c.sound for c in some.shown) and not any(c.sound for c in some.rest)
    assert not Page(render(results, directory, "none")).all("audio")
    first, other = (next(d.clip for d in results.disagreements if d.condition == c) for c in CONDITIONS[:2])
    assert first and other
    path, taken = (directory / CLIPS / h[:2] / f"{h}.flac" for h in (first, other))
    before = path.read_bytes()
    path.write_bytes(taken.read_bytes())
    try:
        changed = cards(results, directory, "all")
        (bad,) = {c.sound.why for c in (*changed.shown, *changed.rest) if c.sound and c.sound.uri is None}
        assert bad and "not the one that was heard" in bad
    finally:
        path.write_bytes(before)


def test_an_snr_between_two_levels_lies_between_their_accuracies(study: tuple[Results, Path]) -> None:
    results, _ = study
    for row in at_level(results, 2.5):
        assert row.levels == (10.0, 0.0)
        for arm, found in row.accuracies:
            if row.task == POOLED:
                continue
            ends = [results.cell(row.task, f"babble@{snr}dB", arm).accuracy.value for snr in (10, 0)]
            assert found.value == pytest.approx(0.25 * ends[0] + 0.75 * ends[1])
            assert found.low < found.value < found.high
        said = dict(row.accuracies)
        for left, right, difference in row.differences:
            assert difference.value == pytest.approx(said[left].value - said[right].value)
            assert difference.low <= difference.value <= difference.high


def test_at_a_measured_level_it_is_what_was_measured(study: tuple[Results, Path]) -> None:
    results, _ = study
    for row in at_level(results, 0.0):
        assert row.levels == (0.0, 0.0)
        for arm, found in row.accuracies if row.task != POOLED else ():
            measured = results.cell(row.task, "babble@0dB", arm).accuracy
            assert found.value == pytest.approx(measured.value)
            # Wilson's at the bootstrap's size: near Wilson's at n.
            assert found.low == pytest.approx(measured.low, abs=0.05)


def test_nothing_is_extrapolated(study: tuple[Results, Path], capsys: pytest.CaptureFixture[str]) -> None:
    results, directory = study
    with pytest.raises(UsageError, match=r"12 dB lies outside .*babble 0 to 10 dB"):
        at_level(results, 12)
    with pytest.raises(UsageError, match="no noise at two levels"):
        at_level(replace(results, tasks=tuple(replace(t, conditions=("clean",)) for t in results.tasks)), 3)
    assert run("report", directory, "--at", "11dB") == run("report", directory, "--at", "loud") == 2
    assert run("report", directory, "--at", "-0 dB", "--audio", "none") == 0
    assert run("report", directory, "--at", "2.5dB", "--audio", "none") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "OWN SNR 2.5 dB" in shown and "speech − s" in shown
    text = (directory / "report.html").read_text(encoding="utf-8")
    assert 'id="at-level"' in text and "10 and 0 dB" in " ".join(Page(text).text.split())


@pytest.mark.parametrize(("text", "snr"), [("8dB", 8.0), (" -2.5 dB ", -2.5), ("+3", 3.0)])
def test_levels_are_read(text: str, snr: float) -> None:
    assert parse_level(text) == snr


def test_anchors_are_one_to_one_and_survive_an_address() -> None:
    names = ["babble@5dB", "babble@-5dB", "a/b", "a b", "a~20.b", "Ü", "<x>", "", "a%20b"]
    made = [anchor("agreement", name) for name in names]
    assert len(set(made)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9@._:+=~/-]+", one) for one in made)
    assert anchor("a/b") != anchor("a", "b")


def test_text_that_turns_lines_around_is_shown_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turned = "abc\u202eevil\u2066\u200f\x1b[2J"
    made = Made(
        tasks={turned: ("labels", (turned, "b"))}, arms=("gold", f"s{turned}", "w"), n=6, text=turned, read=turned
    )
    directory = make_run(tmp_path, made)
    assert run("report", directory, "--full") in (0, 1)
    page, terminal = (directory / "report.html").read_text(encoding="utf-8"), capsys.readouterr().out
    for text in (page, terminal):
        assert not set(text) & set("\u202e\u2066\u200f\x1b")
    assert "abc?evil" in page and "abc?evil" in terminal
