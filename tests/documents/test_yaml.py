"""YAML that is shown is a study, or a part of one that lies over the default study."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from cascade_equivalence.study.spec import Study, load_study

from .blocks import ROOT, Block, of


def alternatives(text: str) -> list[str]:
    """The block; where it shows one key in several ways, each line by itself."""
    keys = re.findall(r"^(\w+):", text, re.M)
    return text.splitlines() if len(set(keys)) < len(keys) else [text]


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_a_study_that_is_shown_is_a_study(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    for text in alternatives(block.text):
        whole = {"extends", "arms"} & set(yaml.safe_load(text)) and {"extends", "models"} & set(yaml.safe_load(text))
        over = "" if whole and "tasks:" in text else "extends: pocket\n"
        path.write_text(text if "extends:" in text else over + text, encoding="utf-8")
        study, base = load_study(path)
        assert isinstance(study, Study) and base == tmp_path


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "gallery").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_study_of_the_gallery_is_one(path: Path) -> None:
    study, _ = load_study(path)
    assert {"gold", "cascade-s", "cascade-w", "pocket-frames"} == set(study.arms)
