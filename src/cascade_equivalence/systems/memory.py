"""How much memory label scoring takes, before anything is loaded: from a configuration's sizes alone. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CHUNK = 1 << 14
"""Rows of the head that are read in float32 at once."""


@dataclass(frozen=True, slots=True)
class Load:
    """One batch. prefix: positions of the shared prefix; positions: of its longest row behind that; read: positions
    at which the head is read, per row."""

    batch: int
    prefix: int
    positions: int
    read: int = 8


def of_scoring(config: Any, weights: float, width: int, load: Load) -> float:
    """Bytes at the peak of scoring a batch with an LLM.

    config: an LLM's configuration as transformers names its sizes (an object or its text part). weights: bytes of all
    weights in memory. width: bytes of a number in the dtype it runs in.

    Counted: the weights; keys and values of all layers, the prefix spread over the batch; in one layer at a time the
    hidden states, queries with keys and values for all heads, and the inner states of the feed-forward part; the
    attention mask; a chunk of the head and what it gives, in float32.
    """
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    heads = int(text.num_attention_heads)
    hidden = int(text.hidden_size)
    head_width = int(getattr(text, "head_dim", None) or hidden // heads)
    kept_heads = int(getattr(text, "num_key_value_heads", None) or heads)
    seen = load.prefix + load.positions
    tokens = load.batch * load.positions
    cache = 2.0 * text.num_hidden_layers * kept_heads * head_width * load.batch * seen * width
    spread = 2.0 * heads * head_width * load.batch * seen * width if kept_heads < heads else 0.0
    attention = spread + 2.0 * heads * head_width * tokens * width
    feed_forward = 3.0 * int(text.intermediate_size) * tokens * width
    states = 4.0 * hidden * tokens * width
    mask = load.batch * load.positions * seen * (1.0 + width)
    head = 4.0 * CHUNK * (hidden + 3.0 * load.batch * load.read) + 2.0 * width * CHUNK * hidden
    return float(weights + cache + states + max(attention, feed_forward) + mask + head)
