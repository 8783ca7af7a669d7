import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade_equivalence.agreement import Interval
from cascade_equivalence.report import numbers
from cascade_equivalence.report.cards import choose
from cascade_equivalence.report.overlaps import overlaps
from cascade_equivalence.report.words import differences
from cascade_equivalence.study.latency import quantile
from cascade_equivalence.study.results import POOLED, Disagreement, analyse

from .journals import TOPICS, Made, make_run

WORDS = st.lists(st.sampled_from(["a", "A", "a,", "b", "c", "--"]), max_size=8).map(" ".join)


@given(WORDS, WORDS)
@settings(max_examples=200, deadline=None)
def test_differences_hold_every_word_read_and_every_word_spoken(spoken, read):
    pieces = differences(spoken, read)
    assert " ".join(p.text for p in pieces if p.change != "missing").split() == read.split()
    common = sum(len(p.text.split()) for p in pieces if p.change in {"same", "written"})
    missing = sum(len(p.text.split()) for p in pieces if p.change == "missing")
    assert common + missing == len(spoken.split())
    if spoken == read:
        assert all(p.change == "same" for p in pieces)


def test_differences_tell_spelling_from_words():
    changes = {p.text: p.change for p in differences("Parliament sat until dawn", "parliament sad until dawn,")}
    assert changes == {"parliament": "written", "sat": "missing", "sad": "other", "until": "same", "dawn,": "written"}


@pytest.mark.parametrize(("q", "n"), [(0.5, 8), (0.5, 25), (0.95, 8), (0.95, 100)])
def test_quantile_limits_cover(q, n):
    rng = np.random.default_rng(0)
    truth = float(-np.log(1 - q))
    found = [quantile(list(rng.exponential(size=n)), q) for _ in range(400)]
    held = np.mean([(i.low is None or i.low <= truth) and (i.high is None or truth <= i.high) for i in found])
    assert held >= 0.93
    if (q, n) == (0.95, 8):
        assert found[0].high is None
    if (q, n) == (0.5, 8):
        assert None not in (found[0].low, found[0].high)


def test_quantile_value_is_numpys():
    values = [3.0, 1.0, 2.0, 10.0, 4.0]
    assert quantile(values, 0.95).value == pytest.approx(np.quantile(values, 0.95))
    assert quantile([], 0.5) == Interval(None)


def test_clips_are_chosen_evenly():
    def found(task, condition, n):
        return [Disagreement(task, condition, str(i), None, (), {}, {}, None) for i in range(n)]

    everything = found("a", "clean", 100) + found("a", "noise", 3) + found("b", "clean", 50)
    chosen = sorted(choose(everything, 24))
    assert len(chosen) == 24
    cells = [(everything[i].task, everything[i].condition) for i in chosen]
    assert [cells.count(c) for c in (("a", "clean"), ("a", "noise"), ("b", "clean"))] == [11, 3, 10]
    first = [i for i in chosen if i < 100]
    assert max(np.diff(first)) <= 10 and min(np.diff(first)) >= 9
    assert choose(everything[:5], 24) == set(range(5))


def test_overlap_is_left_out_where_two_labels_force_it(tmp_path):
    tasks = {"topic": ("labels", TOPICS), "sentiment": ("labels", ("negative", "positive"))}
    rows = overlaps(analyse(make_run(tmp_path, Made(tasks=tasks))))
    defined = {row.comparison.task for row in rows if row.found}
    assert defined == {"topic"}
    assert all("1 by construction" in row.note for row in rows if row.comparison.task in {"sentiment", POOLED})


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numbers.percent(0.91666), "91.7"),
        (numbers.points(-0.0417), "−4.2"),
        (numbers.points(-0.00001), "0.0"),
        (numbers.points(0.1), "+10.0"),
        (numbers.coefficient(0.9986), "0.999"),
        (numbers.coefficient(1.0), "1.00"),
        (numbers.coefficient(None), "–"),
        (numbers.p_value(0.0004), "< 0.001"),
        (numbers.p_value(0.0341), "0.034"),
        (numbers.p_value(0.5), "0.50"),
        (numbers.limits(Interval(0.1, -0.2, 0.4)), "−0.20 to 0.40"),
        (numbers.limits(Interval(0.5, 0.2, 0.4), "percent"), "20.0–40.0"),
        (numbers.limits(Interval(0.5)), "–"),
        (numbers.count(3, 24), "3 of 24"),
        (numbers.listed(["a", "b", "c"]), "a, b and c"),
        (numbers.plural(1, "item"), "1 item"),
        (numbers.rough(36397), "36k"),
    ],
)
def test_numbers_are_written(written, expected):
    assert written == expected
