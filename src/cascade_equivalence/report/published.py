"""The paper's figures on what happens inside (arXiv 2602.17598, Tables 4–7), for the models it looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ULTRAVOX: Mapping[str, Any] = {
    "ctc": {0: 0.03, 31: 0.20},
    "lens": {31: 0.342},
    "implicit": {"AG News": "0.943 (cascade 0.933)", "SST-2": "0.14", "CommonsenseQA": "0.25"},
    "leace": {
        "none": "82.9 / 86.1",
        "proxy": "0.0 / 0.0",
        "ctc": "9.0 / –",
        "bag": "5.9 / –",
        "random": "78.9 / 84.6",
        "acoustic": "70.0 / 70.4",
    },
}
_QWEN2_AUDIO: Mapping[str, Any] = {
    "ctc": {0: 0.50, 31: 0.29},
    "lens": {28: 0.226},
    "leace": {
        "none": "80.6 / 83.0",
        "proxy": "0.0 / 0.0",
        "ctc": "0.0 on 4 of 5 tasks",
        "bag": "20.1 / –",
        "random": "74.0 / 79.5",
        "acoustic": "75.1 / 79.1",
    },
}
_MODELS = {"ultravox-v0_6-llama-3_1-8b": _ULTRAVOX, "qwen2-audio-7b-instruct": _QWEN2_AUDIO}


def published(source: str) -> Mapping[str, Any]:
    """What the paper has on the model of that id (with or without its commit) or directory; empty for any other."""
    name = source.casefold().rstrip("/").rpartition("/")[2].partition("@")[0]
    return _MODELS.get(name, {})
