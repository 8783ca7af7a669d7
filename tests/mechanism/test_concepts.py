"""Targets at audio positions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.mechanism.concepts import repeated, text_proxy

TABLE = torch.randn(30, 12, generator=torch.Generator().manual_seed(0))
TOKENS = [[1, 2, 3, 4], [5, 6], [7, 8, 9, 1, 11, 12]]


def test_the_proxy_is_scikit_learn_s_pca_of_the_tokens_in_order():
    found = text_proxy(TABLE, TOKENS, [8, 2, 3], components=5).numpy()
    flat = [t for transcript in TOKENS for t in transcript]
    expected = PCA(5).fit_transform(TABLE[flat].double().numpy())
    rows = [0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 7, 9, 11]
    np.testing.assert_allclose(np.abs(found), np.abs(expected[rows]), atol=1e-5)


def test_the_mean_stands_at_every_position():
    found = text_proxy(TABLE, TOKENS, [3, 1, 2], components=4, placing="mean")
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[4], found[5])
    one_each = text_proxy(TABLE, TOKENS, [4, 2, 6], components=4)
    torch.testing.assert_close(found[3], one_each[4:6].mean(0))


def test_there_are_no_more_columns_than_directions():
    assert text_proxy(TABLE, [[1, 2], [3, 1]], [2, 2]).shape == (4, 2)


def test_rows_are_repeated_over_a_clip():
    assert repeated(torch.tensor([[1.0], [2]]), [2, 3]).ravel().tolist() == [1, 1, 2, 2, 2]
    with pytest.raises(AnalysisError, match="2 rows for 1 clips"):
        repeated(torch.zeros(2, 1), [4])
    with pytest.raises(AnalysisError, match="without a token"):
        text_proxy(TABLE, [[1], []], [2, 2])
