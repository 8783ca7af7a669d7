"""Noise, controls, orders and held words in both reports: every figure of the results stands there."""

import io

import pytest
from rich.console import Console

from cascade_equivalence.report import numbers
from cascade_equivalence.report.caveats import caveats
from cascade_equivalence.report.html import render
from cascade_equivalence.report.terminal import print_summary
from tests.study.planted import SWEEP, build, task

from .page import Page

LABELS = ["a", "b", "c", "d"]
CONTROLS = ["silence", "swap", "no-audio"]


def answers(arm, name, condition, i):
    """The speech LLM errs more the harder it gets, follows the sound, and is led by the order of options."""
    labels = LABELS[:2] if name == "sentiment" else LABELS
    right, other = labels[i % len(labels)], labels[(i + 1) % len(labels)]
    if arm == "speech" and condition in CONTROLS:
        return "a"
    level = SWEEP.index(condition) + 1 if condition in SWEEP else 0
    errors = {"speech": 5 * level + 10 * ("~" in name), "s": 15, "w": 18}.get(arm, 2)
    if name == "held" and arm != "speech":
        return "a"
    return other if i < errors else right


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    directory = tmp_path_factory.mktemp("noise")
    topic = task("topic", LABELS, 80, conditions=["clean", "reverb@0.6s", *SWEEP, *CONTROLS])
    held = task("held", LABELS, 80, sufficient=None)
    for item in held["items"]:
        item["text"] = "Dogs are sitting by the door."
    variant = topic | {"name": "topic~perm1", "variant_of": "topic", "conditions": ["clean"]}
    results = build(directory, [topic, task("sentiment", LABELS[:2], 40), held, variant], answers)
    out = io.StringIO()
    print_summary(results, Console(file=out, width=80))
    return results, Page(render(results, directory)), out.getvalue()


def estimate(interval, kind):
    write = {"percent": numbers.percent, "points": numbers.points, "coefficient": numbers.coefficient}[kind]
    return f"{write(interval.value)} {numbers.limits(interval, kind)}"


def test_every_drop_reversal_and_control_stands_in_both_with_its_interval(study):
    results, page, text = study
    terminal = " ".join(text.split())
    assert results.changes and results.reversals and results.controls
    for change in results.changes:
        row = [estimate(change.unchanged, "percent")]
        if change.control:
            assert f"{change.condition} {change.arm} {estimate(change.accuracy, 'percent')} {change.n}" in page.text
            assert estimate(change.accuracy, "percent") in terminal
        else:
            row = [estimate(change.accuracy, "percent"), estimate(change.drop, "points"), *row]
            assert estimate(change.drop, "points") in terminal
            assert f"{change.condition} {' '.join(row)}" in page.text
    for reversal in results.reversals:
        shown = " ".join(
            estimate(i, "points") for i in (reversal.found.clean, reversal.found.noisy, reversal.found.change)
        )
        assert shown in page.text and f"{reversal.condition} {reversal.found.n} {shown}" in terminal


def test_the_crossing_is_told_in_both(study):
    results, page, text = study
    assert results.crossings
    assert "speech is ahead first and falls behind at" in page.text
    assert "speech is ahead first and falls behind at" in text
    claim = "the advantage of speech reverses in this range (25.0 to −5.0 dB)"
    assert claim in page.text.lower() or claim in page.text
    assert claim in " ".join(text.split())


def test_orders_and_held_words_stand_in_both(study):
    results, page, text = study
    assert {o.task for o in results.orders} == {"topic"} and {h.task for h in results.held_words} == {"held"}
    for part in ("Option order", "Same words, different sound"):
        assert part in page.text and part.upper() in text
    assert "topic~perm1" in page.text
    assert caveats(results) and not any(c.startswith(("Option order", "Controls")) for c in caveats(results))


def test_charts_follow_the_levels_and_leave_out_what_is_no_level(study):
    _, page, _ = study
    charts = [a["aria-label"] for a in page.all("figure") if a.get("class") == "chart"]
    accuracy = next(c for c in charts if c.startswith("Accuracy on topic"))
    places = [accuracy.index(f"in {c}") for c in ("clean", *SWEEP)]
    assert places == sorted(places)
    assert not any("reverb" in c or "swap" in c or "held" in c for c in charts)
    assert any(c.startswith("Κ of two arms on topic") and "ceiling: s against w" in c for c in charts)
    assert any(c.startswith("Κ with the own clean answers on topic") for c in charts)


def test_the_terminal_keeps_to_its_width(study):
    assert max(map(len, study[2].splitlines())) <= 100


def test_the_opening_says_which_task_was_heard_how(study):
    assert "and 80 of held, from clean speech" in study[1].text
    assert "80 items of topic, under 9 conditions" in study[1].text


def test_a_study_of_controls_alone_has_a_report(tmp_path):
    results = build(tmp_path, [task("topic", LABELS, 40, conditions=["swap"])], answers)
    out = io.StringIO()
    print_summary(results, Console(file=out, width=80))
    assert "CONTROLS" in out.getvalue() and "AGREEMENT" not in out.getvalue()
    assert "Answers as on clean audio" in Page(render(results, tmp_path)).text
