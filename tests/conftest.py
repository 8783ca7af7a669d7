"""Shared fixtures: real data beside the repository, the embedded models, shipped items."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shared_data import SHARED


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real tasks and speech that may lie beside the checkout."""
    if not (SHARED / "data").is_dir():
        pytest.skip("no shared data beside the checkout")
    return SHARED / "data"
