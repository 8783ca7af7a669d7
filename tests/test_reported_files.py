"""Files of public reports and attacks: each gives its right value, or one error with exit status 2 that names it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cascade_equivalence import cli

from .shared_data import SHARED

FAULTS, ATTACKS = SHARED / "data" / "faults", SHARED / "data" / "redteam"
pytestmark = pytest.mark.skipif(not FAULTS.exists(), reason="the reported files are not here")


def agree(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    status = cli.main(["agree", *map(str, words), "--resamples", "20", "--json"])
    said = capsys.readouterr()
    return status, said.out if status == 0 else said.err


@pytest.mark.parametrize(
    ("left", "right", "accuracies"),
    [
        ("inspect_scorer_disagrees/left.json", "right.json", (1, 1)),
        ("lm_eval_winogrande/left.jsonl", "right.jsonl", (0.75, 0.70)),
        ("lm_eval_gsm8k_target/left.jsonl", "right.jsonl", (0.8, 0.4)),
        ("inspect_errors/left.json", "right.json", (1, 1)), ("inspect_free_text/left.json", "right.json", (1, 1)),
        ("inspect_epochs_mismatch/left.json", "right.json", (1, 1)), ("inspect_multi_target/a.json", "a.json", (1, 1)),
        ("inspect_noanswer/a.json", "a.json", None), ("lm_eval_old_filters/left.jsonl", "left.jsonl", (0.8, 0.8)),
        ("lmms_eval_mme/left.jsonl", "right.jsonl", (0.875, 0.875)), ("voicebench_with_id/a.jsonl", "a.jsonl", (1, 1)),
        ("opencompass/a.json", "a.json", (1, 1)), ("csv_float_ids/left.csv", "right.jsonl", (0.4, 0.4)),
        ("csv_excel/semicolon.csv", "sep.csv", (0.625, 0.625)), ("csv_excel/utf16.csv", "utf16.csv", (0.625, 0.625)),
        ("csv_excel/quoted.csv", "quoted.csv", (1, 1)), ("u2028_manifest/pred.jsonl", "pred.jsonl", (1, 1)),
    ],
)  # fmt: skip
def test_right_values(
    capsys: pytest.CaptureFixture[str], left: str, right: str, accuracies: tuple[float, float] | None
) -> None:
    path = FAULTS / left
    status, said = agree(capsys, path, path.parent / right)
    assert status == 0
    found = json.loads(said)["accuracy"]
    assert (found["left"], found["right"]) == (accuracies or (None, None))


@pytest.mark.parametrize("name", ["no_ids/a.json", "csv_excel/dup.csv", "csv_excel/header.csv"])
def test_clear_errors(capsys: pytest.CaptureFixture[str], name: str) -> None:
    status, said = agree(capsys, FAULTS / name, FAULTS / name)
    assert status == 2
    assert name in said


def test_attacks_on_agree(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ATTACKS / "agree")
    tried = sorted(Path().glob("*.txt"))
    for case in tried:
        status, said = agree(capsys, f"{case.stem}.in", f"{case.stem}.right")
        assert status in (0, 2), case
        assert status == 0 or said.startswith("ceq agree: ")
        assert "\x1b" not in said
    assert len(tried) >= 15
