"""Messages that troubleshooting quotes are those that the code gives."""

from __future__ import annotations

import re

import pytest

from .blocks import ROOT, TEXTS

PAGE = re.sub(r"```.*?```", "", TEXTS["docs/troubleshooting.md"], flags=re.S)
QUOTED = [quote for quote in re.findall(r'"([^"]+)"', PAGE) if len(quote.split()) > 1]


@pytest.fixture(scope="module")
def code() -> str:
    sources = sorted((ROOT / "src").rglob("*.py"))
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    # Parts of one text, on two lines.
    return re.sub(r'"\s*\n\s*f?"', "", text)


@pytest.mark.parametrize("quote", QUOTED)
def test_a_quoted_message_is_in_the_code(quote: str, code: str) -> None:
    parts = [part.strip() for part in quote.split("…") if part.strip()]
    assert all(part in code for part in parts), parts
