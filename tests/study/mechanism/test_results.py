"""Estimates from facts made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cascade_equivalence.study.mechanism.facts import ErasureFact, ImplicitFact, PatchingFact
from cascade_equivalence.study.mechanism.results import contrasts, erased, hand_off, implicit, patched
from cascade_equivalence.study.records import decode

N = 40
GOLD = ["a" if i % 2 else "b" for i in range(N)]
OTHER = ["b" if label == "a" else "a" for label in GOLD]


def trials() -> list[dict[str, str]]:
    return [{"task": "t", "item": str(i), "gold": gold} for i, gold in enumerate(GOLD)]


def mixed(follow: int) -> list[str]:
    return OTHER[:follow] + GOLD[follow:]


def test_the_hand_off_is_the_first_layer_that_most_answers_do_not_follow() -> None:
    rows = [{"layer": layer, "labels": mixed(n)} for layer, n in ((0, 40), (4, 36), (8, 6), (12, 0))]
    fact = decode(PatchingFact, {"trials": trials(), "own": GOLD, "other": OTHER, "rows": rows}, "by hand")
    found = hand_off(fact)
    assert found is not None
    assert (found.layer, found.low, found.high, found.before) == (8, 8, 8, False)
    assert [row.follows.value for row in patched(fact)] == [1.0, 0.9, 0.15, 0.0]
    assert patched(fact)[2].stays.value == pytest.approx(0.85)


@pytest.mark.parametrize(("share", "layer", "before"), [(0, 0, True), (40, None, False)])
def test_a_hand_off_outside_the_layers_is_said(share: int, layer: int | None, before: bool) -> None:
    rows = [{"layer": number, "labels": mixed(share)} for number in (0, 4)]
    fact = {"trials": trials(), "own": GOLD, "other": OTHER, "rows": rows}
    found = hand_off(decode(PatchingFact, fact, "by hand"))
    assert found is not None
    assert (found.layer, found.before) == (layer, before)


def test_no_pair_no_hand_off() -> None:
    assert hand_off(PatchingFact((), (), (), ())) is None


def condition(name: str, labels: list[str], scope: str = "audio", **more: list[str]) -> dict[str, object]:
    return {"name": name, "scope": scope, "labels": labels, **more}


def test_erasure_pools_random_subspaces_and_counts_what_parses() -> None:
    plain = [[-30.0, 10.0], [-40.0, 20.0]]
    worse = [[loss - 0.5 * tokens, tokens] for loss, tokens in plain]
    fact = {
        "trials": trials(),
        "conditions": [
            condition("none", GOLD),
            condition("proxy", OTHER, generated=["INVALID", "a", "b", "INVALID"], generated_golds=["a"] * 4),
            condition("random 1", mixed(4)),
            condition("random 2", mixed(8)),
        ],
        "damage": {"none": plain, "proxy": worse, "random 1": plain, "random 2": plain},
        "ranks": {"proxy": 64, "random 1": 64, "random 2": 64},
        "removed": {"proxy": 0.5, "random 1": 0.1, "random 2": 0.1},
    }
    none, proxy, random = erased(decode(ErasureFact, fact, "by hand"))
    assert none.accuracy.value == 1.0
    assert proxy.accuracy.value == 0.0
    assert (proxy.generated.value, proxy.parsed.value) == (0.25, 0.5)
    # Half a nat more a token is e^0.5 of the perplexity, whatever sentences are drawn.
    assert proxy.perplexity.value == pytest.approx(np.exp(0.5))
    assert proxy.perplexity.low == pytest.approx(np.exp(0.5))
    assert random.seeds == (0.9, 0.8)
    assert random.accuracy.value == pytest.approx(0.85)
    assert random.perplexity.value == 1.0


def test_implicit_is_kappa_with_the_own_answers() -> None:
    labels = {"lens": GOLD, "shuffled": mixed(20), "wrong clip": OTHER}
    fact = {
        "trials": trials(),
        "own": GOLD,
        "cascade": mixed(4),
        "rows": [{"reader": "text", "layer": 3, "empty": 0, "labels": labels}],
    }
    rows, cascade = implicit(decode(ImplicitFact, fact, "by hand"))
    assert rows[0].kappa.value == 1.0
    assert rows[0].shuffled.value == pytest.approx(0.0)
    assert rows[0].wrong.value == pytest.approx(-1.0)
    assert cascade is not None
    assert cascade.value == pytest.approx(0.8)


def test_an_erasure_is_held_against_each_control_on_the_same_trials() -> None:
    conditions = [
        condition("none", GOLD),
        condition("proxy", mixed(30)),
        condition("random 1", mixed(4)),
        condition("random 2", mixed(8)),
        condition("variance-matched", mixed(30)),
        condition("acoustic", GOLD),
        condition("proxy", OTHER, "all"),
    ]
    found = {
        (c.name, c.scope, c.control): c
        for c in contrasts(decode(ErasureFact, {"trials": trials(), "conditions": conditions}, "by hand"))
    }
    assert set(found) == {(n, "audio", c) for n in ("proxy", "acoustic") for c in ("random", "variance-matched")}
    proxy = found["proxy", "audio", "random"]
    assert proxy.difference.value == pytest.approx(0.25 - 0.85)
    assert proxy.worse
    # Wrong on the very same trials: no resampling can part them.
    same = found["proxy", "audio", "variance-matched"]
    assert (same.difference.value, same.difference.low, same.difference.high) == (0.0, 0.0, 0.0)
    assert not same.worse
    assert not found["acoustic", "audio", "random"].worse
