"""What the documents quote of the program is what it says: messages, and the sections of a report."""

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


def test_the_sections_that_are_explained_are_those_of_a_report() -> None:
    template = ROOT / "src" / "cascade_equivalence" / "report" / "templates" / "report.html.j2"
    shown = re.findall(r'\("[a-z]+", "([^"]+)"\)', template.read_text(encoding="utf-8"))
    table = TEXTS["docs/reading-the-report.md"].partition("## Below the head")[2].partition("## Words")[0]
    explained = {title for row in re.findall(r"^\| ([^|]+) \|", table, re.M) for title in row.split(", ")}
    assert explained - {"section", "---"} == set(shown)
