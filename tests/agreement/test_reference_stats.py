"""Published per-item results of real systems: every pair's statistics against an independent computation."""

import json

import numpy as np
import pytest

from cascade_equivalence.agreement import compare

from ..shared_data import SHARED

RESULTS = SHARED / "data" / "results"
REFERENCE = RESULTS / "reference_stats.json"

if not REFERENCE.exists():
    pytest.skip("the folder of published results is not here", allow_module_level=True)

EXPECTED = json.loads(REFERENCE.read_text())
PAIRS = [(name, pair["a"], pair["b"], pair) for name, part in EXPECTED.items() for pair in part["pairs"]]
_rows: dict = {}


def rows(name):
    if name not in _rows:
        _rows[name] = [json.loads(line) for line in (RESULTS / f"{name}.jsonl").read_text().splitlines()]
    return _rows[name]


def correct(name, row, system):
    for field in ("human_correct", "exact_match"):
        if field in row:
            return row[field][system]
    if "word_errors" in row:
        return row["word_errors"][system] == 0
    answer, gold = answers(row, system)
    return answer == gold


def answers(row, system):
    return (row["vote"][system], row["intended"]) if "vote" in row else (row["pred"][system], row["gold"])


def close(ours, theirs):
    assert (ours is None) == (theirs is None)
    assert ours is None or ours == pytest.approx(theirs, rel=1e-9, abs=1e-9)


def test_all_pairs_are_there():
    assert len(PAIRS) == 135


@pytest.mark.parametrize(("name", "a", "b", "expected"), PAIRS, ids=[f"{n}-{a}-{b}" for n, a, b, _ in PAIRS])
def test_pair_is_reproduced(name, a, b, expected):
    part = rows(name)
    assert len(part) == EXPECTED[name]["n"]
    left, right = (np.array([correct(name, row, s) for row in part], dtype=int) for s in (a, b))
    pair = compare(left, right, np.ones(len(part), dtype=int), classes=2, resamples=100)
    close(pair.accuracy.left.value, EXPECTED[name]["accuracy"][a])
    close(pair.accuracy.right.value, EXPECTED[name]["accuracy"][b])
    table = pair.correctness
    assert table.both_right == expected["both_right"]
    assert table.only_left_right == expected["only_a_right"] == pair.mcnemar.b
    assert table.only_right_right == expected["only_b_right"] == pair.mcnemar.c
    assert table.both_wrong == expected["both_wrong"]
    close(pair.kappa.value, expected["kappa_correctness"])
    close(table.kappa, expected["kappa_correctness"])
    # The p-values span 180 orders of magnitude, so the comparison is relative.
    assert pair.mcnemar.p_exact == pytest.approx(expected["mcnemar_exact_p"], rel=1e-9, abs=0)
    close(pair.mcnemar.chi2, expected["mcnemar_chi2_cc"])
    close(pair.error_jaccard, expected["error_jaccard"])
    close(table.right_wrong_given_left_wrong, expected["p_b_wrong_given_a_wrong"])
    close(table.left_wrong_given_right_wrong, expected["p_a_wrong_given_b_wrong"])
    close(table.expected_both_wrong, expected["expected_both_wrong_if_independent"])
    if "kappa_predictions" not in expected:
        return
    given = {s: [answers(row, s) for row in part] for s in (a, b)}
    labels = sorted({x for answered in given.values() for pair_ in answered for x in pair_} - {""})
    code = {label: i for i, label in enumerate(labels)} | {"": -1}
    left, right = (np.array([code[x] for x, _ in given[s]]) for s in (a, b))
    gold = np.array([code[y] for _, y in given[a]])
    pair = compare(left, right, gold, classes=len(labels), resamples=100)
    close(pair.agreement, expected["agreement_predictions"])
    close(pair.kappa.value, expected["kappa_predictions"])
    close(pair.error_overlap.value, expected["same_wrong_answer_among_both_wrong"])
