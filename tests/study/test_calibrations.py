"""Other calibrations: a shift of one arm's scores moves the raw labels alone, and gold labels are not looked at."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import cohen_kappa_score

from cascade_equivalence.agreement import compare
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.calibrations import kappas
from cascade_equivalence.study.comparisons import Comparison
from cascade_equivalence.study.groups import groups_of
from cascade_equivalence.study.records import Answer, Identity, ItemRecord, StudyRecord, TaskRecord

LABELS = ("a", "b", "c")
N = 120


def found(shift: tuple[float, ...], gold: str = "a", dropped: int = 0) -> tuple[dict[str, float | None], np.ndarray]:
    """κ by calibration of two noisy readings of the same scores, one of them shifted; and both sides' own scores."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(N, 3))
    left, right = truth + rng.normal(size=(N, 3)) * 0.5 + np.array(shift), truth + rng.normal(size=(N, 3)) * 0.5
    items = tuple(ItemRecord(f"i{i}", None, (gold,), LABELS) for i in range(N))
    task = TaskRecord("topic", "labels", True, LABELS, items, ("clean",))
    study = StudyRecord(("clean",), 0.03, 200, 0, 0.5, "matched")
    llm = Identity("llm", "llm")
    arms = (Arm("speech", "speech", None, llm, None, "llm"), Arm("cascade", "cascade", None, llm, "asr", "llm"))

    def answers(scores: np.ndarray) -> tuple[Answer, ...]:
        return tuple(
            Answer(f"i{i}", "clean", "a", False, "", 0.0, scores=None if i < dropped else tuple(row.tolist()))
            for i, row in enumerate(scores)
        )

    given = {"speech": {"topic": answers(left)}, "cascade": {"topic": answers(right)}}
    [group] = groups_of((task,))
    pair = compare(left.argmax(1), right.argmax(1), classes=3, resamples=100)
    asked = Comparison("topic", "clean", "speech", "cascade", False, pair, None, True)
    made = kappas(study, group, arms, given, asked)
    return {name: kappa.value for name, kappa in made.items()}, np.stack([left, right])


def test_values_are_those_of_scikit_learn() -> None:
    made, (left, right) = found((1.0, 0.0, -0.5))
    assert made["none"] is not None and made["own"] is not None
    assert abs(made["none"] - cohen_kappa_score(left.argmax(1), right.argmax(1))) < 1e-12
    own = [(scores - scores.mean(0)).argmax(1) for scores in (left, right)]
    assert abs(made["own"] - cohen_kappa_score(*own)) < 1e-12


def test_a_shift_is_taken_out_by_each_arms_own_means() -> None:
    (straight, _), (shifted, _) = found((0.0, 0.0, 0.0)), found((3.0, 0.0, 0.0))
    assert shifted["own"] == straight["own"]
    assert shifted["none"] is not None and straight["none"] is not None and shifted["none"] < straight["none"] - 0.2


def test_gold_labels_are_not_looked_at_and_missing_scores_are_no_zero() -> None:
    assert found((1.0, 0.0, 0.0), gold="a")[0] == found((1.0, 0.0, 0.0), gold="c")[0]
    assert found((1.0, 0.0, 0.0), dropped=1)[0] == {}
