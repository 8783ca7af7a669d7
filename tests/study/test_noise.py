"""Noise drops, reversals and controls of planted arms, checked against counts made by hand and scipy."""

from __future__ import annotations

from pathlib import Path

import pytest

from cascade_equivalence.report.noise import claim_of, crossing_of, pairs
from cascade_equivalence.study.conditions import Sweep, is_control, level_of, sweeps
from cascade_equivalence.study.results import POOLED, Change, Results

from .planted import SWEEP, build, task

LABELS = ["a", "b", "c"]
N = 120
CONTROLS = ["silence", "swap", "no-audio"]
WRONG = dict(zip(SWEEP, (6, 12, 18, 30, 42, 54, 60), strict=True))
"""Errors of the speech LLM by level; the cascades make 24 everywhere."""


def answers(arm: str, name: str, condition: str, i: int) -> str:
    """The speech LLM is right from the start of the items, the cascades from the end, so that they err apart."""
    gold = LABELS[i % 3]
    other = LABELS[(i + 1) % 3]
    if arm == "gold":
        return gold
    if condition in CONTROLS:
        return "a" if arm == "speech" else gold
    if arm == "speech":
        return other if i < WRONG.get(condition, 0) else gold
    return other if i >= N - 24 else gold


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    tasks = [
        task("t", LABELS, N, conditions=["clean", "reverb@0.6s", *SWEEP, *CONTROLS]),
        task("u", LABELS, N, conditions=["clean", "babble@0dB"]),
        task("v", LABELS, 30),
    ]
    return build(tmp_path_factory.mktemp("noise"), tasks, answers)


def change(results: Results, arm: str, condition: str, name: str = "t") -> Change:
    (found,) = [c for c in results.changes if (c.task, c.arm, c.condition) == (name, arm, condition)]
    return found


def test_the_noise_drop_is_the_accuracy_lost_and_unchanged_what_stayed(results: Results) -> None:
    for condition, wrong in WRONG.items():
        found = change(results, "speech", condition)
        assert found.drop.value == pytest.approx(wrong / N)
        assert found.unchanged.value == pytest.approx(1 - wrong / N)
        assert found.accuracy.value == pytest.approx(1 - wrong / N)
        assert found.drop.low < wrong / N < found.drop.high
        assert found.kappa.value < 1
    steady = change(results, "s", "babble@-5dB")
    assert (steady.drop.value, steady.unchanged.value, steady.kappa.value) == (0.0, 1.0, 1.0)
    assert steady.drop.low < 0 < steady.drop.high
    assert not [c for c in results.changes if c.arm == "gold" or c.condition == "clean"]


def test_controls_are_reported_beside_and_enter_neither_comparisons_nor_word_errors(results: Results) -> None:
    assert {c.condition for c in results.controls} == set(CONTROLS)
    assert not {c.condition for c in results.comparisons} & set(CONTROLS)
    assert not set(results.conditions) & set(CONTROLS)
    assert {w.condition for w in results.word_errors} == set(results.conditions)
    for condition in CONTROLS:
        deaf, cheat = change(results, "speech", condition), change(results, "s", condition)
        assert deaf.accuracy.value == pytest.approx(1 / 3)
        assert deaf.unchanged.value == pytest.approx(1 / 3)
        assert cheat.accuracy.value == 1.0
        assert cheat.unchanged.value == pytest.approx(1 - 24 / N)


def test_the_reversal_is_the_difference_of_the_drops(results: Results) -> None:
    """Independent of the analysis: (E2E − cascade) on clean minus the same in noise, from the counts."""
    for found in results.reversals:
        if found.task != "t":
            continue
        assert found.family
        wrong = WRONG.get(found.condition, 0)
        assert found.found.clean.value == pytest.approx(24 / N)
        assert found.found.noisy.value == pytest.approx((24 - wrong) / N)
        assert found.found.change.value == pytest.approx(wrong / N)
        drop = (
            change(results, found.left, found.condition).drop.value
            - change(results, found.right, found.condition).drop.value
        )
        assert found.found.change.value == pytest.approx(drop)
    assert {(r.left, r.right) for r in results.reversals} == {("speech", "s"), ("speech", "w")}
    flipped = {r.condition for r in results.reversals if r.task == "t" and r.found.reversed}
    assert "babble@-5dB" in flipped and "babble@25dB" not in flipped and "reverb@0.6s" not in flipped


def test_the_crossing_is_where_the_line_between_two_levels_is_zero(results: Results) -> None:
    """At 15 dB the speech LLM is 6 items ahead, at 10 dB 6 behind: half way between them."""
    found = [c for c in results.crossings if c.task == "t"]
    assert {(c.left, c.right, c.kind) for c in found} == {("speech", "s", "babble"), ("speech", "w", "babble")}
    for c in found:
        assert c.found.snr.value == pytest.approx(12.5)
        assert c.found.snr.low < 12.5 < c.found.snr.high
        assert c.found.share > 0.95
    assert not [c for c in results.crossings if c.task == "u"], "one level is no sweep"


def test_pooled_rests_on_the_conditions_that_all_its_tasks_have(results: Results) -> None:
    assert {c.condition for c in results.comparisons if c.task == POOLED} == {"clean"}
    assert {c.condition for c in results.comparisons if c.task == "u"} == {"clean", "babble@0dB"}
    assert {c.condition for c in results.cells if c.task == "v"} == {"clean", "text"}


def test_sentences_say_where_or_that_there_is_none(results: Results, tmp_path: Path) -> None:
    (said,) = {s for pair in pairs(results) if pair.task == "t" for s in pair.crossings}
    assert said.startswith("babble: speech is ahead first and falls behind at 12.5 dB (")
    steady = build(
        tmp_path,
        [task("t", LABELS, 60, conditions=["clean", *SWEEP])],
        lambda arm, t, c, i: "a" if arm in {"s", "w"} and i < 30 else LABELS[i % 3],
    )
    assert {crossing_of(c) for c in steady.crossings} == {
        f"babble: no reversal, speech is not behind {arm} anywhere down to −5.0 dB; one in 0 % of 200 resamples"
        for arm in ("s", "w")
    }


def test_what_a_sweep_says_of_the_claim_that_noise_reverses_an_advantage(results: Results, tmp_path: Path) -> None:
    """60 items lost by the speech LLM, none by the cascades, and a reversal; then sweeps without clean audio."""
    said = {pair.right: pair.claims for pair in pairs(results) if pair.task == "t"}
    for right in ("s", "w"):
        (claim,) = said[right]
        assert f"(babble, n {N})? speech loses 50.0 points more than {right} at −5.0 dB (+50.0, +" in claim
        assert claim.endswith("; the advantage of speech reverses in this range (25.0 to −5.0 dB)")
    for pair in pairs(results):
        assert len(pair.claims) == len(pair.crossings)

    conditions = ["babble@5dB", "babble@0dB"]
    for planted, said_of_it in (
        (lambda arm, i: arm == "speech" or i >= 30, "; no reversal of the advantage of speech in this range (5.0 to"),
        (lambda arm, i: arm != "speech" or i >= 30, "; speech has no advantage to lose, no reversal of the advantage "),
        (lambda arm, i: True, "; neither is ahead in this range"),
    ):
        there = build(
            tmp_path / str(len(said_of_it)),
            [task("t", LABELS, 60, conditions=conditions)],
            lambda arm, t, c, i, right=planted: LABELS[i % 3] if right(arm, i) else LABELS[(i + 1) % 3],
        )
        assert there.crossings and not there.reversals
        shown = [claim for pair in pairs(there) for claim in pair.claims]
        assert shown == [claim_of(c, []) for c in there.crossings], "a sweep without clean audio is told too"
        assert all(said_of_it in claim and "at 0.0 dB is not known" in claim for claim in shown)


def test_a_reversal_that_the_resamples_do_not_bear_out_is_undecided(tmp_path: Path) -> None:
    """One item ahead on clean audio, one behind at the hardest level."""

    def planted(arm: str, t: str, condition: str, i: int) -> str:
        wrong = {"s": i < 6, "w": i < 6, "speech": 6 <= i < (13 if condition == SWEEP[-1] else 11)}.get(arm, False)
        return LABELS[(i + wrong) % 3]

    found = build(tmp_path, [task("t", LABELS, 60, conditions=["clean", *SWEEP])], planted)
    for c in found.crossings:
        assert 0.05 < c.found.share < 0.95
        rows = [r for r in found.reversals if r.right == c.right]
        assert "the advantage of speech reverses, undecided with " in claim_of(c, rows)
        assert f"whether speech loses more than {c.right} at −5.0 dB is undecided (+3.3, " in claim_of(c, rows)


def test_resampling_is_the_same_on_every_analysis(results: Results, tmp_path: Path) -> None:
    tasks = [task("t", LABELS, N, conditions=["clean", "reverb@0.6s", *SWEEP, *CONTROLS])]
    again = build(tmp_path, tasks, answers)
    here = [c for c in results.crossings if c.task == "t"]
    assert list(again.crossings) == here


@pytest.mark.parametrize(
    ("condition", "level"),
    [
        ("babble@-5dB", ("babble", -5.0)),
        ("babble:rooms/bar@2.5dB", ("babble:rooms/bar", 2.5)),
        ("noise:pink@10dB", ("noise:pink", 10.0)),
        ("reverb@0.6s+babble@5dB", ("reverb@0.6s+babble", 5.0)),
        ("clip@6dB", None),
        ("gain@-6dB", None),
        ("babble@5dB+codec:ulaw", None),
        ("swap+babble@5dB", None),
        ("clean", None),
    ],
)
def test_levels(condition: str, level: tuple[str, float] | None) -> None:
    assert level_of(condition) == level


def test_sweeps_are_ordered_from_mild_to_hard_and_need_two_levels() -> None:
    found = sweeps(["clean", "noise:pink@0dB", "babble@0dB", "babble@20dB", "babble@5dB", "reverb@0.6s"])
    assert found == (Sweep("babble", ("babble@20dB", "babble@5dB", "babble@0dB"), (20.0, 5.0, 0.0)),)


def test_controls_by_name() -> None:
    assert [c for c in ("clean", "swap+babble@5dB", "reverb@0.6s+silence", "no-audio") if is_control(c)] == [
        "swap+babble@5dB",
        "reverb@0.6s+silence",
        "no-audio",
    ]
    assert not any(map(is_control, SWEEP))
