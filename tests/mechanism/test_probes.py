"""Probes on planted states: linear, non-linear, by heart, and absent."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.mechanism.probes import control_targets, mlp_probe, probe, ridge_probe, types_of
from cascade_equivalence.mechanism.splits import Scale, folds, split_by_group


def planted(noise: float = 0.3, n: int = 1500, d: int = 12):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d)) * np.logspace(0, 2, d) + 5
    y = (x[:, 0] + noise * rng.standard_normal(n)) * 3 + 1
    return x, y, np.repeat(np.arange(n // 10), 10)


def test_groups_are_never_on_both_sides():
    groups = np.random.default_rng(0).integers(40, size=500)
    for seed in range(5):
        split = split_by_group(groups, 0.2, seed)
        assert not set(groups[split.train]) & set(groups[split.test])
        assert len(split.train) + len(split.test) == 500
        assert 0.15 < len(split.test) / 500 < 0.3
    fold = folds(groups, 5, 0)
    assert sorted(set(fold)) == [0, 1, 2, 3, 4]
    assert all(len(set(fold[groups == g])) == 1 for g in set(groups))
    with pytest.raises(AnalysisError, match="at least two"):
        split_by_group(np.zeros(9), 0.2, 0)


def test_ridge_equals_scikit_learn_at_its_penalty():
    x, y, groups = planted()
    split = split_by_group(groups, 0.2, 1)
    found = ridge_probe(x, y, groups, split)
    scale = Scale.of(x[split.train])
    deviation = y[split.train].std()
    model = Ridge(alpha=found.penalty * len(split.train)).fit(scale(x[split.train]), y[split.train] / deviation)
    expected = r2_score(y[split.test], model.predict(scale(x[split.test])) * deviation)
    assert found.r2 == pytest.approx(expected, abs=1e-9)
    assert found.low < found.r2 < found.high


def test_r2_is_the_share_of_variance_that_was_planted():
    x, y, groups = planted(noise=1.0, n=6000)
    found = ridge_probe(x, y, groups, split_by_group(groups, 0.3, 0))
    assert found.low < 0.5 < found.high


def test_the_mlp_reads_what_a_linear_probe_cannot():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((3000, 6))
    result = probe(x, np.abs(x[:, 0]), np.repeat(np.arange(300), 10))
    assert result.linear.r2 < 0.05
    assert result.mlp.r2 > 0.8
    assert result.selectivity is None


def test_nothing_is_read_where_nothing_is():
    x, _, groups = planted()
    result = probe(x, np.random.default_rng(2).standard_normal(len(x)), groups)
    assert result.linear.r2 < 0.03
    assert result.mlp.r2 < 0.03


def test_states_that_tell_only_the_type_are_not_selective():
    rng = np.random.default_rng(3)
    types = rng.integers(20, size=2000)
    groups = np.repeat(np.arange(200), 10)
    by_type, content = rng.standard_normal((20, 20)), rng.standard_normal((2000, 3))
    x = np.concatenate([by_type[types], content], 1)
    heart = probe(x, by_type[types, 0] ** 2, groups, types=types)
    read = probe(x, content[:, 0], groups, types=types)
    assert heart.linear.r2 > 0.9
    assert abs(heart.selectivity) < 0.1  # an arbitrary mapping of the types is learnt as well
    only_content = probe(content, content[:, 0], groups, types=types)
    assert only_content.selectivity > 0.9
    assert read.control_mlp.r2 > 0.9


def test_control_targets_depend_on_the_type_alone():
    y = np.arange(50.0)[:, None]
    types = np.arange(50) % 7
    control = control_targets(y, types, 0)
    assert all(len(set(control[types == t, 0])) == 1 for t in range(7))
    assert np.isin(control, y).all()
    assert not np.array_equal(control, control_targets(y, types, 1))


def test_types_of_states_are_their_clusters():
    rng = np.random.default_rng(4)
    truth = rng.integers(4, size=400)
    found = types_of(10 * np.eye(4)[truth] + 0.1 * rng.standard_normal((400, 4)), 4, 0)
    assert len({(a, b) for a, b in zip(truth, found, strict=True)}) == 4


def test_speakers_are_held_out_where_they_are_known():
    x, y, utterances = planted()
    speakers = utterances % 10
    # Each speaker has an offset that only its own utterances could teach.
    offset = 100 * np.random.default_rng(5).standard_normal(10)
    x = np.concatenate([x, np.eye(10)[speakers]], 1)
    by_utterance = probe(x, y + offset[speakers], utterances)
    by_speaker = probe(x, y + offset[speakers], utterances, speakers=speakers)
    assert by_utterance.linear.r2 > 0.9
    assert by_speaker.linear.r2 < 0.5
    assert by_speaker.linear.test_groups in (2, 3)
    assert by_speaker.linear.low is None


def test_fewer_samples_than_dimensions_is_no_error():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((60, 200))
    groups = np.arange(60)
    found = ridge_probe(x, x[:, 0], groups, split_by_group(groups, 0.3, 0))
    assert found.r2 < 0.9  # too few rows to know


def test_bad_input_is_named():
    x, y, groups = planted(n=100)
    split = split_by_group(groups, 0.2, 0)
    with pytest.raises(AnalysisError, match="2 of 100 rows of states"):
        ridge_probe(np.where(np.arange(100)[:, None] < 2, np.nan, x), y, groups, split)
    with pytest.raises(AnalysisError, match="rows of targets"):
        mlp_probe(x, np.where(np.arange(100) < 1, np.inf, y), groups, split)
    with pytest.raises(AnalysisError, match="constant"):
        ridge_probe(x, np.ones(100), groups, split)
    with pytest.raises(AnalysisError, match="lengths differ"):
        ridge_probe(x, y[:50], groups, split)
