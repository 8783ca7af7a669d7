"""Option orders and held words: variants of tasks as planned, and planted arms as analysed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade_equivalence.errors import UsageError
from cascade_equivalence.study.build import build_tasks
from cascade_equivalence.study.spec import Study
from cascade_equivalence.tasks.permute import permuted
from cascade_equivalence.tasks.task import load_task

from .planted import SWEEP, build, task

LABELS = ["a", "b", "c", "d"]
MODELS = {"models": {"llm": {"id": "smollm2-135m"}}, "arms": {"gold": {"transcript": "gold", "llm": "llm"}}}


@given(st.integers(0, 2**31))
@settings(deadline=None, max_examples=20)
def test_an_order_keeps_labels_with_their_texts_and_is_never_the_own_one(seed: int) -> None:
    for name in ("topic", "commonsense"):
        own = load_task(name, limit=4)
        (variant,) = permuted(own, [seed])
        assert (variant.name, variant.variant_of) == (f"{name}~perm{seed}", name)
        for old, new in zip((*own.items, *own.dev), (*variant.items, *variant.dev), strict=True):
            assert sorted(new.choices, key=str) == sorted(old.choices, key=str)
            assert new.choices != old.choices
            assert replace(new, choices=old.choices) == old
        if own.form.kind == "labels":
            assert len({item.choices for item in (*variant.items, *variant.dev)}) == 1


def test_two_labels_have_one_other_order_and_open_tasks_none() -> None:
    assert len(permuted(load_task("sentiment", limit=4), [1, 2, 3])) == 1
    assert permuted(load_task("trivia", limit=4), [1]) == ()
    with pytest.raises(UsageError, match="twice"):
        permuted(load_task("topic", limit=4), [1, 1])


def test_entries_of_tasks_override_the_study(tmp_path: Path) -> None:
    tasks = ["topic", {"task": "sentiment", "limit": 6, "permute": []}, {"task": "commonsense", "permute": [4]}]
    study = Study.model_validate({"tasks": tasks, "limit": 8, "permute": [2], **MODELS})
    found = build_tasks(study, tmp_path)
    assert [(t.name, len(t.items)) for t in found] == [
        ("topic", 8), ("sentiment", 6), ("commonsense", 8), ("topic~perm2", 8), ("commonsense~perm4", 8),
    ]  # fmt: skip


def order_answers(arm: str, name: str, condition: str, i: int) -> str:
    """The speech LLM is led by the order on the first 30 of 120 items, and on 12 more in the second order."""
    right = LABELS[i % 4]
    led = {"t~perm1": 30, "t~perm2": 42}.get(name, 0) if arm == "speech" else 0
    return LABELS[(i + 1) % 4] if i < led else right


def test_accuracy_range_and_agreement_over_orders(tmp_path: Path) -> None:
    own = task("t", LABELS, 120, conditions=["clean", SWEEP[0]])
    variants = [task(f"t~perm{s}", LABELS, 120, variant_of="t") for s in (1, 2)]
    for variant in variants:
        variant |= {"labels": LABELS[::-1], "items": own["items"]}
    results = build(tmp_path, [own, *variants], order_answers)
    found = {o.arm: o for o in results.orders}
    assert set(found) == {"gold", "s", "w", "speech"}
    speech = found["speech"]
    assert speech.span == pytest.approx((78 / 120, 1.0))
    assert speech.same.value == pytest.approx(78 / 120)
    assert speech.same.low < 78 / 120 < speech.same.high
    assert speech.lowest is not None and speech.lowest[0] == "t~perm2"
    assert set(speech.accuracies) == {"t", "t~perm1", "t~perm2"}
    for arm in ("gold", "s", "w"):
        assert found[arm].span == (1.0, 1.0) and found[arm].same.value == 1.0
        assert found[arm].lowest is not None and found[arm].lowest[1].value == 1.0
    assert [t.name for t in results.tasks] == ["t"]
    assert {c.task for c in (*results.cells, *results.comparisons, *results.changes)} == {"t"}


def emotions(n: int = 160) -> dict[str, object]:
    """Two sentences, each spoken with every label by every one of four speakers."""
    made = task("e", LABELS, n, sufficient=None)
    for i, item in enumerate(made["items"]):
        item |= {"text": f"Kids are  talking {(i // 4) % 2}", "speaker": f"s{(i // 8) % 4}"}
    return made


def test_held_words_tell_who_follows_the_sound(tmp_path: Path) -> None:
    def answers(arm: str, name: str, condition: str, i: int) -> str:
        return LABELS[i % 4] if arm == "speech" else LABELS[(i // 4) % 2]

    results = build(tmp_path, [emotions(), task("t", LABELS, 40)], answers)
    found = {row.arm: row for row in results.held_words}
    assert {row.task for row in results.held_words} == {"e"}, "no words are said twice in the other task"
    speech = found["speech"]
    assert speech.found.bits == pytest.approx(math.log2(4))
    assert speech.found.p < 0.001 and speech.found.items == 160 and speech.found.blocks == 8
    assert speech.accuracy.value == 1.0 and speech.majority == 0.25
    for arm in ("gold", "s", "w"):
        assert found[arm].found.excess == pytest.approx(0.0, abs=1e-9)
        assert found[arm].found.p == 1.0 and found[arm].found.varying == 0.0
        low, high = found[arm].accuracy.low, found[arm].accuracy.high
        assert low is not None and high is not None and low <= 0.25 <= high


def test_words_said_in_one_way_only_are_no_such_task(tmp_path: Path) -> None:
    made = emotions()
    for item in made["items"]:  # type: ignore[attr-defined]
        item["speaker"] = item["accepted"][0]
    results = build(tmp_path, [made, task("t", LABELS, 40)], lambda arm, t, c, i: LABELS[i % 4])
    assert results.held_words == ()
