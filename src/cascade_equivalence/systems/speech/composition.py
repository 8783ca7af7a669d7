"""The module tree of a speech LLM that is put together from parts, so that hooks find them by path."""

from __future__ import annotations

from torch import nn


class Composition(nn.Module):
    """Parts under their names. It is never called; its parts are, wherever the adapter uses them."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
