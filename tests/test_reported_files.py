"""Files of public reports and attacks: each gives its right value, or one error with exit status 2 that names it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from cascade_equivalence import cli
from cascade_equivalence.audio.clip import read_clip
from cascade_equivalence.audio.condition import parse_condition
from cascade_equivalence.audio.degrade import degrade
from cascade_equivalence.errors import AudioError, UsageError
from cascade_equivalence.study.spec import load_study
from cascade_equivalence.tasks.manifest import read_manifest

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


STUDIES = {
    "dup_model": "'models' is there twice", "dup_task_key": "'limit' is there twice",
    "dup_top": "'arms' is there twice",    "limit_yes": "write 'yes' or true", "seed_on": "write 'on' or true",
    "octal_seed": "write 10 or '010'",
    "sexagesimal": "base 60", "norway_arm": "write 'no' or false", "norway_where": "write 'no' or false",
    "on_name": "write 'on' or true", "int_keys": "write '1' in quotes", "two_docs": "single document",
    "conditions_str": "write [babble@5dB]", "conditions_colon": "write noise:white@5dB", "anchor_top": "'x-common'",
    "empty_arms": "arms", "margin_pct": "margin", "margin_pct2": "margin", "name_slash": "a name is a title",
    "name_up": "a name is a title", "env": "$NAME are not put in", "tilde": "~ and $NAME are not put in",
    "tilde_model": "~ and $NAME are not put in", "device_typo": "device 'cudaa'", "tab": "line 3",
}  # fmt: skip


@pytest.mark.parametrize("path", sorted((FAULTS / "yaml").glob("*.yaml")), ids=lambda path: path.stem)
def test_studies(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: Path
) -> None:
    monkeypatch.setenv("CEQ_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    status = cli.main(["run", str(path), "--dry-run"])
    found = capsys.readouterr()
    said = " ".join((found.err + found.out).split())
    if path.stem in STUDIES:
        assert status == 2 and STUDIES[path.stem] in said
    else:
        assert status == 0
    assert not list(tmp_path.iterdir()), "a dry run writes nothing"


def test_a_number_that_looks_like_one_is_one() -> None:
    read = {
        name: load_study(FAULTS / "yaml" / f"{name}.yaml")[0] for name in ("sci_limit", "sci_resamples", "sci_margin")
    }
    assert read["sci_limit"].limit == 100 and read["sci_resamples"].resamples == 10_000
    assert read["sci_margin"].margin == 0.03


@pytest.mark.parametrize("path", sorted((ATTACKS / "yaml").glob("*.yaml")), ids=lambda path: path.stem)
def test_attacks_by_study(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", str(path), "--dry-run"]) == 2
    said = capsys.readouterr().err
    assert len(said) < 2500 and "\x1b" not in said
    assert not list(tmp_path.iterdir())


MANIFESTS = {
    "bool_labels.jsonl": ("false", "true"), "int_labels.jsonl": ("0", "1"), "int_ids.jsonl": ("negative", "positive"),
    "case_labels.jsonl": "differs from 'Positive'", "dup_keys.jsonl": "'label' is there twice", "items.csv": "JSONL",
    "list.json": "a JSON object is expected", "nan_label.jsonl": "'label' must be",
    "typo_key.jsonl": "you mean 'label'?",
    "space_labels.jsonl": "with space around it", "typo_split.jsonl": "'split' is 'Dev'",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(MANIFESTS))
def test_manifests(name: str) -> None:
    path, wanted = FAULTS / "manifest_types" / name, MANIFESTS[name]
    if isinstance(wanted, tuple):
        assert tuple(choice.label for choice in read_manifest(path)[0].choices) == wanted
        return
    with pytest.raises(UsageError, match=re.escape(wanted)) as caught:
        read_manifest(path)
    assert name in str(caught.value)


def test_manifests_of_other_systems() -> None:
    assert len(read_manifest(FAULTS / "u2028_manifest" / "items.jsonl")) == 4
    assert len(read_manifest(FAULTS / "bom_manifest" / "items.jsonl")) == 4


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("manifest-deep", "line 1: not JSON (nested too deeply)"), ("meta-speaker-list", "'meta.speaker' must be"),
        ("surrogate-id", "line 1: not JSON (a lone surrogate"),
        ("surrogate-text", "line 1: not JSON (a lone surrogate"),
    ],
)  # fmt: skip
def test_attacks_by_manifest(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        read_manifest(ATTACKS / name / "m.jsonl")


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (FAULTS / "wav_antiphase" / "antiphase.wav", "cancel each other"),
        (FAULTS / "wav_truncated" / "truncated_half.wav", "promises 1.00 s and holds 0.50 s"),
        (FAULTS / "flac_unknown_length" / "flac_unknown_length.flac", "does not say its length"),
        (FAULTS / "mp3_no_xing" / "vbr_no_xing.mp3", 8.0), (FAULTS / "mp3_no_xing" / "xing_quarter.mp3", 8.0),
        (FAULTS / "wav_dc_offset" / "dc.wav", 1.0), (ATTACKS / "audio-raw" / "x.raw", 0.5),
        (ATTACKS / "audio-rate1" / "x.wav", "a rate of 1 Hz"),
    ],
)  # fmt: skip
def test_sound(path: Path, wanted: str | float) -> None:
    if isinstance(wanted, float):
        assert read_clip(path, "a").seconds == pytest.approx(wanted, abs=0.1)
        return
    with pytest.raises(AudioError, match=re.escape(wanted)) as caught:
        read_clip(path, "a")
    assert "item 'a'" in str(caught.value)


def test_the_level_of_noise_is_that_of_the_sound_without_its_offset() -> None:
    made = degrade(read_clip(FAULTS / "wav_dc_offset" / "dc.wav"), parse_condition("noise:white@5dB"), list, 0, "dc")
    plain = read_clip(FAULTS / "wav_dc_offset" / "dc.wav").samples.astype(float)
    noise = made.clip.samples.astype(float) / made.scale - plain
    level = 10 * np.log10(plain.var() / noise.var())
    assert level == pytest.approx(5, abs=1.0)
