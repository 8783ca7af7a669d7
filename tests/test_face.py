"""The public face: light to import, whole, and five lines for what a newcomer comes for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score

import cascade_equivalence as ceq
from cascade_equivalence.agreement import compare as compare_codes
from cascade_equivalence.audio.clip import Clip
from cascade_equivalence.errors import ModelError, UsageError
from cascade_equivalence.systems.speech.own import OwnSpeechLLM
from cascade_equivalence.tasks.task import corpus_dir
from tests.models import backbone

WORDS = np.array(["yes", "no", "maybe"])


def answers(n: int = 300) -> tuple[list[str], list[str], list[str]]:
    rng = np.random.default_rng(0)
    gold = rng.integers(3, size=n)
    left, right = (np.where(rng.random(n) < 0.2, rng.integers(3, size=n), gold) for _ in range(2))
    return tuple([str(word) for word in WORDS[codes]] for codes in (left, right, gold))  # type: ignore[return-value]


def test_importing_the_package_imports_nothing_heavy() -> None:
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import cascade_equivalence as c; dir(c), c.__version__"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for package in ("torch", "numpy", "transformers", "pydantic", "rich", "scipy", "yaml"):
        assert f" {package}\n" not in ran.stderr, package


def test_statistics_do_not_import_torch() -> None:
    code = "import sys, cascade_equivalence as c; c.compare, c.verdict, c.kappa, c.Resamples, c.Study, c.load_results"
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}; print('torch' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "False\n"


def test_every_name_is_there_with_a_docstring_and_no_other() -> None:
    for name in ceq.__all__:
        assert getattr(ceq, name).__doc__, name
        assert name in dir(ceq)
    with pytest.raises(AttributeError, match="no attribute 'comparison'; it has: LeaceEraser"):
        _ = ceq.comparison


def test_strings_compare_as_codes_do() -> None:
    left, right, gold = answers()
    number = {word: code for code, word in enumerate(sorted(WORDS))}
    codes = [np.array([number[word] for word in words]) for words in (left, right, gold)]
    assert ceq.compare(left, right, gold).to_json() == compare_codes(*codes, classes=3).to_json()
    assert ceq.compare(*codes).to_json() == ceq.compare(left, right, gold).to_json()
    assert ceq.kappa(left, right).value == pytest.approx(cohen_kappa_score(left, right))
    assert ceq.verdict(ceq.compare(left, right, gold), 0.9).name in ("equivalent", "different", "undecided")


@pytest.mark.parametrize("invalid", [None, "", "INVALID", float("nan")])
def test_what_is_no_answer_is_invalid_and_wrong(invalid: Any) -> None:
    left, right, gold = answers()
    pair = ceq.compare([invalid, *left], ["yes", *right], ["yes", *gold])
    assert pair.invalid_left == pytest.approx(1 / 301) and pair.k == 3
    assert ceq.compare([-1, 0, 1], [0, 0, 1]).invalid_left == pytest.approx(1 / 3)


def test_labels_of_two_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="labels are numbers and strings"):
        ceq.compare(["1", "0"], [1, 0])
    with pytest.raises(ValueError, match="must be a list of labels"):
        ceq.compare("yes", "no")
    with pytest.raises(ValueError, match="not one valid label"):
        ceq.compare([None, ""], ["", None])


def test_leace_takes_arrays_as_it_takes_tensors() -> None:
    rng = np.random.default_rng(0)
    z = rng.integers(2, size=500)
    x = rng.normal(size=(500, 12)) + z[:, None] * np.linspace(0, 2, 12)
    eraser = ceq.LeaceEraser.fit(x, z)
    erased = eraser(x)
    assert isinstance(erased, np.ndarray) and erased.dtype == x.dtype
    tensors = ceq.LeaceFitter.fit(torch.as_tensor(x), torch.as_tensor(z)).eraser(torch.as_tensor(x))
    assert np.allclose(erased, tensors.numpy())
    assert LogisticRegression().fit(x, z).score(x, z) > 0.9
    majority = max(z.mean(), 1 - z.mean())
    assert LogisticRegression().fit(erased, z).score(erased, z) <= majority + 0.01
    assert ceq.LeaceEraser.fit(x.astype(np.float32), z)(x[0]).shape == (12,)


def test_probe_takes_tensors_as_it_takes_arrays() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)).astype(np.float32)
    y, utterances = x[:, 0] * 2, np.repeat(np.arange(20), 10)
    found = ceq.probe(torch.tensor(x, requires_grad=True), torch.tensor(y), utterances.tolist())
    assert found == ceq.probe(x, y, utterances)
    assert found.linear.r2 > 0.99


def own(hear: Any) -> OwnSpeechLLM:
    return ceq.SpeechLLM.hearing("llm", hear, {"version": 1})


CLIPS = [Clip(np.full(8000 * k, 0.1, dtype=np.float32)) for k in (1, 2)]


def test_a_function_hears_arrays_or_tensors_in_the_models_own_dtype() -> None:
    llm = backbone()
    width = llm.embed([0]).shape[1]
    by_array = own(lambda clips, llm: [np.ones((len(c.samples) // 4000, width)) for c in clips]).load(llm)
    heard = by_array.hear([CLIPS[0], None, CLIPS[1]])
    assert [tuple(states.shape) for states in heard] == [(2, width), (0, width), (4, width)]
    assert all(states.dtype == llm.model.dtype for states in heard)
    assert by_array.backbone is llm


@pytest.mark.parametrize(
    ("hear", "message"),
    [
        (lambda clips, llm: [torch.zeros(3, 7)] * len(clips), r"shape \(3, 7\).*takes \(positions, 576\)"),
        (lambda clips, llm: [torch.zeros(3, 576)], "1 embeddings for 2 clips"),
        (lambda clips, llm: [torch.full((3, 576), torch.nan)] * len(clips), "NaN"),
        (lambda clips, llm: [torch.zeros(0, 576)] * len(clips), "at least one position"),
    ],
)
def test_what_is_no_embedding_is_refused(hear: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        own(hear).load(backbone()).hear(CLIPS)


def test_facts_are_needed_and_plain() -> None:
    with pytest.raises(UsageError, match="facts are missing"):
        ceq.SpeechLLM.hearing("llm", lambda clips, llm: [], {})
    with pytest.raises(UsageError, match="must be JSON values"):
        ceq.SpeechLLM.hearing("llm", lambda clips, llm: [], {"model": object()})


def loudness(clips: Any, llm: Any) -> list[torch.Tensor]:
    """Loud or not, in the middle of the shipped clips' levels."""
    said = {True: " I love it, a wonderful day.", False: " I hate it, this is awful."}
    return [llm.embed(llm.encode(said[bool(np.std(c.samples) > 0.0615)])) for c in clips]


def test_a_study_narrowed_in_python_is_the_one_that_the_command_narrows(tmp_path: Path) -> None:
    from cascade_equivalence.cli import main

    items = (corpus_dir() / "topic.jsonl").read_text(encoding="utf-8").splitlines()
    said = [{"id": json.loads(item)["id"], "prediction": json.loads(item)["label"]} for item in items]
    (tmp_path / "said.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in said), encoding="utf-8")
    study = tmp_path / "study.yaml"
    study.write_text(
        "tasks: [topic]\nmodels: {}\nanswer: generate\nanalyses: [agreement, lens]\n"
        "arms: {mine: {speech_llm: {predictions: said.jsonl}}}\n",
        encoding="utf-8",
    )
    assert main(["run", str(study), "--limit", "8", "--out", str(tmp_path / "run")]) == 0
    # Another study would be refused there.
    assert len(ceq.run_study(study, tmp_path / "run", limit=8).answers()) == 8


@pytest.mark.slow
def test_a_study_of_ones_own_speech_llm_and_its_answers(tmp_path: Path) -> None:
    mine = ceq.SpeechLLM.hearing("llm", loudness, {"hears": "loudness"})
    dropped = dict.fromkeys(("pocket-frames", "self-cascade", "disguised", "ahead-when-clean"))
    study = {
        "extends": "pocket",
        "tasks": ["sentiment"],
        "conditions": ["clean"],
        "comparisons": "matched",
        "analyses": ["agreement"],
        "arms": {"mine": {"speech_llm": "mine"}, **dropped},
        "checks": {"repeats": 4, "latency": 2},
    }
    results = ceq.run_study(study, tmp_path / "run", own={"mine": mine}, limit=24)
    assert results.hearing is not None and results.hearing["mine"].passed, results.failures
    table = results.answers()
    assert len(table) == 24 * 4
    again = ceq.load_results(tmp_path / "run").answers()
    assert again == table
    frame = table.to_pandas()
    accuracy = frame.groupby("arm")["right"].mean()
    for cell in results.cells:
        assert accuracy[cell.arm] == pytest.approx(cell.accuracy.value)
    assert frame[frame.arm == "mine"].heard.isna().all()
    assert frame[frame.arm == "cascade-s"].wer.mean() < 0.3
    row = table[0]
    assert row.scores is not None and set(row.scores) == {"positive", "negative"}
    pair = next(c for c in results.comparisons if (c.left, c.right) == ("mine", "cascade-s"))
    assert pair.pair.kappa.high is not None and pair.pair.kappa.high < 0.8
