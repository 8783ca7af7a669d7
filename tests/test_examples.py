"""The examples of README and docs/studies.md: each YAML is a study, each Python runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from cascade_equivalence.study.spec import Study, load_study

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(yaml|python)\n(.*?)^```", re.M | re.S)
FILES = ("README.md", "docs/studies.md")
EXAMPLES = {
    f"{name}:{text.count(chr(10), 0, found.start()) + 1}": (found[1], found[2])
    for name in FILES
    for text in [(ROOT / name).read_text(encoding="utf-8")]
    for found in BLOCK.finditer(text)
}
HEAVY = "run_study"


def of(language: str, heavy: bool = False) -> list[str]:
    return [k for k, (lang, text) in EXAMPLES.items() if lang == language and (HEAVY in text) == heavy]


def test_there_are_examples_of_each_kind() -> None:
    assert of("yaml") and of("python") and of("python", heavy=True)


@pytest.mark.parametrize("name", of("yaml"))
def test_a_study_that_is_shown_is_a_study(name: str, tmp_path: Path) -> None:
    text = EXAMPLES[name][1]
    keys = yaml.safe_load(text)
    path = tmp_path / "study.yaml"
    path.write_text(text if "extends" in keys else "extends: pocket\n" + text, encoding="utf-8")
    study, base = load_study(path)
    assert isinstance(study, Study) and base == tmp_path


@pytest.mark.parametrize("name", of("python"))
def test_python_that_is_shown_runs(name: str) -> None:
    exec(compile(EXAMPLES[name][1], name, "exec"), {})


@pytest.mark.slow
@pytest.mark.parametrize("name", of("python", heavy=True))
def test_a_study_from_python_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(EXAMPLES[name][1], name, "exec"), names)
    results = names["results"]
    assert len(results.answers()) > 0  # type: ignore[attr-defined]
