"""Anchors of a page: named by what they stand at, so that a link holds when the report is written anew."""

from __future__ import annotations

import re


def anchor(*names: str) -> str:
    """`agreement/topic/babble@0dB`. Different names give different anchors; other characters than those that an address
    takes as they are become `~` and their number."""
    return "/".join(re.sub(r"[^A-Za-z0-9@._:+=-]", lambda found: f"~{ord(found.group()):x}.", name) for name in names)
