"""What the analysis makes of planted speech LLMs: journals with chosen answers, large enough for verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from cascade_equivalence.run.journal import AnswerRow, Journal, ReplyRow
from cascade_equivalence.run.layout import JOURNAL
from cascade_equivalence.study.results import Comparison, Results, analyse

LABELS = ["a", "b", "c", "d"]
N = 1200
STIMULI = ("real", "again", "swap", "silence", "none")


def identity(name: str) -> dict[str, Any]:
    return {"name": name, "source": name, "weights": name * 4, "dtype": "float32", "device": "cpu", "batch_size": 16}


def arm(kind: str, asr: str | None = None, **fields: Any) -> dict[str, Any]:
    parts = {"encoder": identity("big"), "llm": identity("llm")} if kind == "speech" else {}
    return {"kind": kind, "asr": asr, "llm": "llm", "parts": parts, "same": [], "hearing": None, **fields}


def flip(labels: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(len(labels)) < share, (labels + rng.integers(1, 4, len(labels))) % 4, labels)


def planted() -> dict[str, np.ndarray]:
    """Answers by arm. The cascades err together (the LLM's errors) and differ on 2 % (the ASRs')."""
    rng = np.random.default_rng(0)
    gold = np.arange(N) % 4
    reads = flip(gold, 0.08, rng)
    strong, weak = flip(reads, 0.01, rng), flip(reads, 0.01, rng)
    return {
        "gold": reads,
        "s": strong,
        "w": weak,
        "disguised": strong,
        "deaf": np.zeros(N, dtype=int),
        "loudness": rng.integers(4, size=N),
        "flip2": flip(strong, 0.02, rng),
        "flip15": flip(strong, 0.15, rng),
    }


def gate(said: np.ndarray, hears: bool) -> dict[str, Any]:
    """Forty trials of an arm that follows the audio, or does not."""
    rows = [int(x) for x in said[:40]]
    other = [(x + 1) % 4 for x in rows] if hears else rows
    labels = {name: [LABELS[x] for x in (rows if name in {"real", "again"} else other)] for name in STIMULI}
    moved = {name: [0.0 if name == "again" or not hears else 1.0] * 40 for name in STIMULI[1:]}
    return {"trials": [{"task": "t", "item": f"t{i}"} for i in range(40)], "labels": labels, "moved": moved}


def build(directory: Path, said: dict[str, np.ndarray], without_gate: tuple[str, ...] = ()) -> Results:
    kinds = {"gold": arm("gold"), "s": arm("cascade", "big"), "w": arm("cascade", "small")}
    arms = {name: kinds.get(name) or arm("speech") for name in said}
    journal = Journal(directory / JOURNAL)
    wanted: dict[str, Any] = {}
    rows: list[Any] = []
    for name, labels in said.items():
        condition = "text" if name == "gold" else "clean"
        wanted[name] = {"t": [f"{name}{i}" for i in range(N)]}
        for i, label in enumerate(labels):
            rows.append(ReplyRow(f"r{name}{i}", name, "said", None, None, 3, 0.1, 4))
            rows.append(
                AnswerRow(
                    f"{name}{i}",
                    name,
                    "t",
                    f"t{i}",
                    condition,
                    0,
                    "labels",
                    f"r{name}{i}",
                    None,
                    None,
                    LABELS[label],
                    0,
                )
            )
        if name != "gold" and name not in without_gate:
            arms[name]["hearing"] = f"hearing:{name}"
            journal.put_fact(f"hearing:{name}", gate(labels, name != "deaf"))
    journal.add(*rows)
    items = [
        {"id": f"t{i}", "text": "x", "accepted": [LABELS[i % 4]], "choices": LABELS, "group": None} for i in range(N)
    ]
    journal.put_fact("study", {
        "arms": {}, "conditions": ["clean"], "comparisons": "matched", "resamples": 500, "seed": 0, "margin": 0.03,
        "invalid_limit": 0.5,
    })  # fmt: skip
    journal.put_fact("tasks", [{"name": "t", "kind": "labels", "sufficient": True, "labels": LABELS, "items": items}])
    journal.put_fact("wanted", wanted)
    journal.put_fact("arms", arms)
    journal.put_fact("identities", {name: identity(name) for name in ("llm", "big", "small")})
    journal.close()
    return analyse(directory)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return build(tmp_path_factory.mktemp("planted"), planted())


def of(results: Results, left: str, right: str) -> Comparison:
    return next(c for c in results.comparisons if (c.left, c.right) == (left, right))


def test_the_disguised_cascade_is_found_equivalent(results: Results) -> None:
    found = of(results, "disguised", "s")
    assert found.pair.kappa.value == 1.0
    assert found.verdict.name == "equivalent"


def test_the_deaf_one_fails_the_gate_and_is_not_compared(results: Results) -> None:
    assert results.hearing is not None
    assert results.hearing["deaf"].passed is False
    assert not [c for c in results.comparisons if "deaf" in (c.left, c.right)]
    assert any("'deaf' does not pass the hearing check" in failure for failure in results.failures)
    assert len(results.failures) == 1


def test_loudness_is_different_and_near_chance(results: Results) -> None:
    found = of(results, "loudness", "s")
    assert found.verdict.name == "different"
    cell = results.cell("t", "clean", "loudness")
    assert cell and cell.accuracy.low is not None and cell.accuracy.high is not None
    assert cell.accuracy.low < 0.25 < cell.accuracy.high


def test_two_per_cent_of_flips_are_near_the_ceiling_and_fifteen_are_different(results: Results) -> None:
    near, far = of(results, "flip2", "s"), of(results, "flip15", "s")
    assert near.reference and far.reference
    assert near.reference[:2] == ("s", "w")
    assert of(results, "flip2", "w").reference[:2] == ("w", "s")
    assert near.pair.kappa.value == pytest.approx(near.reference[2], abs=0.02)
    assert near.verdict.name == "equivalent"
    assert far.verdict.name == "different"


def test_each_speech_llm_has_one_primary_verdict_and_these_are_adjusted(results: Results) -> None:
    """Independent reference: scipy's Benjamini–Hochberg over the p of the statements that each kind makes."""
    primary = [c for c in results.comparisons if c.primary]
    assert {(c.left, c.right, c.condition) for c in primary} == {
        (left, "s", "clean") for left in ("disguised", "loudness", "flip2", "flip15")
    }
    said = [c.verdict for c in primary if c.verdict]
    assert [v.family for v in said] == [len(primary)] * len(primary)
    p = []
    for v in said:
        assert v.accuracy and v.answers
        one = {"better": v.accuracy.p_better, "worse": v.accuracy.p_worse, "same": v.accuracy.p_same}
        parts = [one[v.accuracy.name]] if v.accuracy.name in one else []
        if v.kind in ("same", "same answers"):
            parts.append(v.answers.p_same)
        if v.kind and v.kind.startswith("other answers"):
            parts.append(v.answers.p_other)
        p.append(max(parts, default=1.0))
    assert [v.p_adjusted for v in said] == pytest.approx(list(false_discovery_control(p)))
    assert all(c.verdict.p_adjusted is None for c in results.comparisons if c.verdict and not c.primary)


def test_ceiling_and_gold_rows_are_references_without_a_verdict(results: Results) -> None:
    ceiling = of(results, "s", "w")
    assert ceiling.ceiling and ceiling.reference is None and ceiling.verdict is None
    speech = {"disguised", "loudness", "flip2", "flip15"}
    assert {(c.left, c.right) for c in results.comparisons if c.verdict} == {(x, y) for x in speech for y in "sw"}


def test_speech_llms_stand_left_of_cascades_and_these_of_gold(results: Results) -> None:
    pairs = {(c.left, c.right) for c in results.comparisons}
    assert ("disguised", "gold") in pairs and ("s", "gold") in pairs
    assert not {left for left, _ in pairs} & {"gold"}


def test_a_speech_llm_that_has_not_been_through_the_gate_is_not_compared(tmp_path: Path) -> None:
    said = {name: labels for name, labels in planted().items() if name in {"gold", "s", "w", "disguised"}}
    results = build(tmp_path, said, without_gate=("disguised", "w"))
    assert {(c.left, c.right) for c in results.comparisons} == {("s", "gold"), ("w", "gold"), ("s", "w")}
    assert "not shown to hear yet" in results.failures[0]
