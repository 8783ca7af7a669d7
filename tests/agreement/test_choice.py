"""Choosing a system: the rule, its error rate at the boundary, and what it says of the rivals."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from cascade_equivalence.agreement.choice import choose
from cascade_equivalence.agreement.interval import upper_tail
from cascade_equivalence.agreement.paired import tango_z

RNG = np.random.default_rng(0)


def right(share: float, n: int = 1000) -> np.ndarray:
    return (np.arange(n) % 100 >= round(100 * (1 - share))).astype(int)


def test_the_cheapest_that_is_shown_not_to_be_worse() -> None:
    correct = {
        "best": right(0.90),
        "near": right(0.89),
        "nearer": right(0.90)[::-1] * (np.arange(1000) != 500),
        "far": right(0.80),
    }
    made = choose(correct, {"best": 4, "near": 1, "nearer": 2, "far": 0.5}, 0.03)
    assert (made.best, made.pick, made.why) == ("best", "near", "cheapest not worse")
    assert {r.name: r.not_worse for r in made.rivals} == {"near": True, "nearer": True, "far": False}


def test_adjusted_p_are_holms_over_the_rivals() -> None:
    correct = {
        name: (RNG.random(300) < share).astype(int) for name, share in zip("abcd", (0.95, 0.9, 0.9, 0.9), strict=True)
    }
    made = choose(correct, {}, 0.03)
    raw = []
    for rival in made.rivals:
        d = correct[rival.name] - correct[made.best]
        raw.append(upper_tail(tango_z(float((d > 0).sum()), float((d < 0).sum()), 300, -0.03)))
    assert [r.p_not_worse for r in made.rivals] == pytest.approx(list(multipletests(raw, method="holm")[1]))


def test_the_most_accurate_where_no_cheaper_one_is_shown() -> None:
    made = choose({"best": right(0.9, 60), "cheap": right(0.88, 60)}, {"best": 2.0, "cheap": 1.0}, 0.03)
    assert (made.pick, made.why, made.open) == ("best", "most accurate", ("cheap",))
    alone = choose({"best": right(0.9), "dear": right(0.9)}, {"best": 1.0, "dear": 2.0}, 0.03)
    assert (alone.best, alone.pick, alone.why, alone.open) == ("best", "best", "most accurate and cheapest", ())
    unknown = choose({"best": right(0.9), "other": right(0.89)}, {"best": 1.0}, 0.03)
    assert (unknown.pick, unknown.why) == ("best", "costs unknown")


def test_a_system_that_is_worse_by_the_margin_is_seldom_advised() -> None:
    """At the boundary: three cheaper systems, each truly three points behind the dearest."""
    rng, wrong = np.random.default_rng(1), 0
    for _ in range(600):
        shared = rng.random(500)
        best = shared < 0.9
        correct = {
            "best": best,
            **{name: np.where(rng.random(500) < 0.9, shared < 0.87, rng.random(500) < 0.87) for name in "abc"},
        }
        made = choose({k: v.astype(int) for k, v in correct.items()}, {"best": 2.0, "a": 1.0, "b": 1.0, "c": 1.0}, 0.03)
        wrong += made.best == "best" and made.pick != "best"
    # 5 % nominal; 600 studies put its 99.9 % upper limit at about 8 %.
    assert wrong / 600 <= 0.08


def test_clusters_widen_the_bounds() -> None:
    best, other = right(0.9), np.roll(right(0.9), 5)
    alone = choose({"a": best, "b": other}, {}, 0.03).rivals[0].difference
    grouped = choose({"a": best, "b": other}, {}, 0.03, clusters=np.arange(1000) // 20).rivals[0].difference
    assert alone.low is not None and grouped.low is not None
    assert grouped.value == alone.value


@pytest.mark.parametrize("correct", [{}, {"a": []}, {"a": [1, 0], "b": [1]}])
def test_what_cannot_be_chosen_among(correct: dict[str, list[int]]) -> None:
    with pytest.raises(ValueError, match="choose needs"):
        choose(correct, {}, 0.03)
