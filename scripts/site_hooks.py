"""What mkdocs needs to know of this project: files outside docs/ that are pages too, the help of `ceq`, the gallery."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = {
    "benchmarks/RESULTS.md": "benchmarks.md",
    "src/cascade_equivalence/tasks/corpus/CARD.md": "items.md",
    "src/cascade_equivalence/pocket/weights/CARD.md": "pocket-speech-llms.md",
    "CONTRIBUTING.md": "contributing.md",
    "THIRD_PARTY.md": "third-party.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "README.md": "index.md",
}
"""Files of the repository → the pages they are on the site."""
NO_PAGE = {"index.md"}
"""Pages that have a text of their own."""
HELP = "<!-- ceq --help -->"
REPORTS = "<!-- gallery -->"
GALLERY = ROOT / "build" / "gallery"
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"(^```.*?^```[ ]*$)", re.M | re.S)


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages from outside docs/ and the reports of the gallery, where they have been made."""
    for source, page in OUTSIDE.items():
        if page not in NO_PAGE:
            files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    for report in _reports():
        files.append(File.generated(config, f"gallery/{report.name}", abs_src_path=str(report)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links out of docs/ lead to the site's pages; the two marks become the help of all commands and the gallery."""
    name = page.file.src_uri
    source = next((key for key, value in OUTSIDE.items() if value == name and value not in NO_PAGE), f"docs/{name}")
    parts = [
        part if part.startswith("```") else _LINK.sub(lambda found: _link(found, source), part)
        for part in _CODE.split(markdown)
    ]
    text = "".join(parts)
    if HELP in text:
        text = text.replace(HELP, _help())
    return text.replace(REPORTS, _gallery()) if REPORTS in text else text


def _link(found: re.Match[str], source: str) -> str:
    target, hash_, anchor = found["target"].partition("#")
    if not target or re.match(r"[a-z]+:", target):
        return found[0]
    place = os.path.normpath(PurePosixPath(source).parent / target)
    if place in OUTSIDE:
        return f"[{found['text']}]({OUTSIDE[place]}{hash_}{anchor})"
    if place.startswith("docs/"):
        return f"[{found['text']}]({place.removeprefix('docs/')}{hash_}{anchor})"
    # A file of the repository that is no page.
    return f"{found['text']} (`{place}`)"


def _help() -> str:
    """What `ceq COMMAND --help` prints, at a width that a page has."""
    os.environ["COLUMNS"] = "90"
    from argparse import _SubParsersAction

    from cascade_equivalence.cli import parser

    top = parser()
    commands = next(action for action in top._actions if isinstance(action, _SubParsersAction)).choices
    shown = {"ceq": top} | {f"ceq {name}": one for name, one in commands.items()}
    return "\n\n".join(f"## {name}\n\n```text\n{one.format_help()}```" for name, one in shown.items())


def _reports() -> list[Path]:
    return sorted(GALLERY.glob("*.html"))


def _gallery() -> str:
    if not _reports():
        return "This copy of the site was built without the reports."
    return "\n".join(f"- [{report.stem}](gallery/{report.name})" for report in _reports())
