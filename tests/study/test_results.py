"""From journal rows to results: pairs, pooling, unfinished runs, ceilings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from cascade_equivalence.errors import RunError
from cascade_equivalence.run.journal import AnswerRow, Journal, ReplyRow, TranscriptRow
from cascade_equivalence.run.layout import JOURNAL
from cascade_equivalence.study.arms import Arm, pairs_of
from cascade_equivalence.study.records import ArmKind, Identity, Pairs
from cascade_equivalence.study.results import POOLED, Results, analyse

ARMS = {
    "gold": {"transcript": "gold", "llm": "llm", "asr": None},
    "s": {"transcript": None, "llm": "llm", "asr": "big"},
    "w": {"transcript": None, "llm": "llm", "asr": "small"},
    "x": {"transcript": None, "llm": "other", "asr": "big"},
}
LABELS = ["a", "b", "c"]


def task(name: str, n: int, **fields: Any) -> dict[str, Any]:
    items = [
        {"id": f"{name}{i}", "text": f"word{i} said", "accepted": [LABELS[i % 3]], "choices": LABELS, "group": None}
        for i in range(n)
    ]
    return {"name": name, "kind": "labels", "sufficient": True, "labels": LABELS, "items": items} | fields


def build(directory: Path, tasks: list[dict[str, Any]], answers: Any, **study: Any) -> Results:
    """A journal in which arm `a` says answers(arm, task, condition, index) to each item (None: not yet)."""
    conditions = ["clean", "babble@0dB"]
    journal = Journal(directory / JOURNAL)
    wanted: dict[str, dict[str, list[str]]] = {}
    for arm, spec in ARMS.items():
        for t in tasks:
            for condition in ["text"] if arm == "gold" else conditions:
                for i, item in enumerate(t["items"]):
                    key = f"{arm}/{t['name']}/{condition}/{i}"
                    wanted.setdefault(arm, {}).setdefault(t["name"], []).append(key)
                    label = answers(arm, t["name"], condition, i)
                    if label is None:
                        continue
                    transcript = None if arm == "gold" else f"t{key}"
                    rows: list[Any] = [ReplyRow(f"r{key}", arm, "said", "[0]", None, 3, 0.5, 4)]
                    if transcript:
                        rows.append(TranscriptRow(transcript, spec["asr"] or "", "c", item["text"], -0.1, 2, 1, 1.5, 4))
                    clip = None if arm == "gold" else "c"
                    rows.append(
                        AnswerRow(
                            key,
                            arm,
                            t["name"],
                            item["id"],
                            condition,
                            0,
                            "labels",
                            f"r{key}",
                            clip,
                            transcript,
                            label,
                            0,
                        )
                    )
                    journal.add(*rows)
    defaults = {
        "arms": ARMS, "conditions": conditions, "comparisons": "matched", "resamples": 200, "seed": 0,
        "margin": 0.03, "invalid_limit": 0.5,
    }  # fmt: skip
    journal.put_fact("study", defaults | study)
    journal.put_fact("tasks", tasks)
    journal.put_fact("wanted", wanted)
    journal.put_fact("identities", {name: {"name": name} for name in ("llm", "other", "big", "small")})
    journal.close()
    return analyse(directory)


def truth(arm: str, task: str, condition: str, i: int) -> str:
    return LABELS[i % 3]


def test_matched_pairs_share_the_backbone_and_gold_stands_right_and_last() -> None:
    llm = Identity("llm")
    kinds: list[tuple[str, ArmKind, str]] = [
        ("gold", "gold", "llm"), ("s", "cascade", "llm"), ("w", "cascade", "llm"), ("x", "cascade", "other")
    ]  # fmt: skip
    arms = tuple(Arm(name, kind, None, llm, None, key) for name, kind, key in kinds)

    def names(comparisons: Literal["matched"] | Pairs) -> list[tuple[str, str]]:
        return [(left.name, right.name) for left, right in pairs_of(comparisons, arms)]

    assert names("matched") == [("s", "w"), ("s", "gold"), ("w", "gold")]
    assert names(Pairs((("x", "s"),))) == [("x", "s")]


def test_perfect_arms(tmp_path: Path) -> None:
    results = build(tmp_path, [task("t", 30), task("u", 12)], truth)
    assert {c.accuracy.value for c in results.cells} == {1.0}
    assert {c.pair.kappa.value for c in results.comparisons} == {1.0}
    assert {c.task for c in results.comparisons} == {"t", "u", POOLED}
    pooled = next(c for c in results.comparisons if c.task == POOLED)
    assert pooled.pair.n == 42
    assert [(c.left, c.right) for c in results.comparisons if c.ceiling and c.task == "t"] == [("s", "w")] * 2
    assert {w.rate.value for w in results.word_errors} == {0.0}
    assert results.disagreements == ()
    assert results.failures == ()


def test_labels_of_different_tasks_are_kept_apart_when_pooled(tmp_path: Path) -> None:
    """Two arms that always say 'a' agree by chance alone on each task; pooling must not turn that into κ."""
    results = build(
        tmp_path, [task("t", 30), task("u", 30)], lambda arm, *rest: "a" if arm != "gold" else truth(arm, *rest)
    )
    pooled = next(c for c in results.comparisons if c.task == POOLED and c.ceiling)
    assert pooled.pair.agreement == 1.0
    per_task = next(c for c in results.comparisons if c.task == "t" and c.ceiling)
    assert per_task.pair.kappa.value is None


def test_pooling_with_a_two_label_task_has_no_error_overlap(tmp_path: Path) -> None:
    """With two labels two wrong answers always coincide; pooled with others that would inflate the overlap."""
    two = task("u", 30, labels=["a", "b"])
    two["items"] = [i | {"accepted": ["a"], "choices": ["a", "b"]} for i in two["items"]]

    def wrong(arm: str, name: str, condition: str, i: int) -> str:
        return truth(arm, name, condition, i) if arm == "gold" and name == "t" else "a" if arm == "gold" else "b"

    results = build(tmp_path, [task("t", 30), two], wrong)
    pooled = next(c for c in results.comparisons if c.task == POOLED and c.ceiling)
    assert pooled.pair.error_overlap.value is None
    assert "two labels" in pooled.pair.notes["error_overlap"]
    alone = next(c for c in results.comparisons if c.task == "t" and c.ceiling)
    assert alone.pair.error_overlap.value == 1.0


def test_pairs_on_the_same_items_share_their_resamples(tmp_path: Path) -> None:
    results = build(tmp_path, [task("t", 30)], truth)
    tokens = {c.pair.replicates.token for c in results.comparisons}
    assert len(tokens) == 1


def test_an_unfinished_run_reports_what_is_there(tmp_path: Path) -> None:
    results = build(
        tmp_path,
        [task("t", 30)],
        lambda arm, t, c, i: None if (arm == "w" and i >= 10) or arm == "x" else truth(arm, t, c, i),
    )
    cell = results.cell("t", "clean", "w")
    assert cell is not None
    assert (cell.n, cell.wanted) == (10, 30)
    pair = next(c for c in results.comparisons if (c.left, c.right) == ("s", "w") and c.condition == "clean")
    assert pair.pair.n == 10
    empty = results.cell("t", "clean", "x")
    assert empty is not None and empty.n == 0 and empty.accuracy.value is None


def test_invalid_answers_are_wrong_counted_and_can_fail_the_run(tmp_path: Path) -> None:
    results = build(
        tmp_path, [task("t", 30)], lambda arm, t, c, i: "INVALID" if arm == "w" and i < 20 else truth(arm, t, c, i)
    )
    cell = results.cell("t", "clean", "w")
    assert cell is not None
    assert (cell.invalid, cell.accuracy.value) == (20, pytest.approx(1 / 3))
    assert len(results.failures) == 2
    assert "arm 'w' on t, clean: 20 of 30" in results.failures[0]


def test_disagreements_hold_what_each_arm_read(tmp_path: Path) -> None:
    results = build(
        tmp_path, [task("t", 9)], lambda arm, t, c, i: "c" if arm == "w" and i == 0 else truth(arm, t, c, i)
    )
    assert [(d.item, d.condition) for d in results.disagreements] == [("t0", "clean"), ("t0", "babble@0dB")]
    said = results.disagreements[0].arms["w"]
    assert (said.label, said.read) == ("c", "said")
    assert results.disagreements[0].gold == ("a",)


def test_compute_time_counts_shared_work_for_each_arm(tmp_path: Path) -> None:
    results = build(tmp_path, [task("t", 10)], truth)
    assert results.compute_s["gold"] == pytest.approx(10 * 0.5)
    assert results.compute_s["s"] == pytest.approx(20 * 2.0)


def test_open_tasks_compare_correctness(tmp_path: Path) -> None:
    items = [
        {"id": f"q{i}", "text": "x y", "accepted": ["The Beatles", "Beatles"], "choices": [], "group": None}
        for i in range(6)
    ]
    open_task = {"name": "q", "kind": "open", "sufficient": True, "labels": [], "items": items}
    results = build(tmp_path, [open_task], lambda arm, t, c, i: "beatles!" if arm == "gold" or i < 3 else "Queen")
    cell = results.cell("q", "clean", "s")
    assert cell is not None and cell.accuracy.value == 0.5
    assert all(not c.closed for c in results.comparisons)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has not recorded its study"):
        Journal(tmp_path / JOURNAL).close()
        analyse(tmp_path)
    with pytest.raises(RunError, match="no answers in the journal yet"):
        build(tmp_path / "empty", [task("t", 3)], lambda *_: None)


def test_rows_of_another_study_in_the_same_directory_are_left_out(tmp_path: Path) -> None:
    build(tmp_path, [task("t", 6)], truth)
    journal = Journal(tmp_path / JOURNAL)
    wanted = journal.fact("wanted")
    journal.put_fact("wanted", {arm: {t: keys[:3] for t, keys in per.items()} for arm, per in wanted.items()})
    journal.close()
    cell = analyse(tmp_path).cell("t", "clean", "s")
    assert cell is not None and cell.n == 3
    assert json.dumps(wanted)
