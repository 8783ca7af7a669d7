from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from transformers import PreTrainedModel

from cascade_equivalence.systems.backbone import Backbone

from .tiny import CPU, write_llm


def test_threads_that_load_at_once_leave_transformers_whole(tmp_path: Path) -> None:
    """Without turns, the method that ties weights is soon gone for the rest of the process."""
    before = PreTrainedModel.tie_weights
    write_llm(tmp_path)
    with ThreadPoolExecutor(4) as threads:
        loaded = list(threads.map(lambda i: Backbone.load(f"llm {i}", tmp_path, CPU), range(24)))
    try:
        assert PreTrainedModel.tie_weights is before
    finally:
        PreTrainedModel.tie_weights = before  # type: ignore[method-assign]
    assert all(not p.is_meta for backbone in loaded for p in backbone.model.parameters())
