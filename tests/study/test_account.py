"""The account of a study: what it fetches, holds and asks, and what keeps it from starting, without any host."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cascade_equivalence.report.account import print_account
from cascade_equivalence.study.account import Account, account_of
from cascade_equivalence.study.hub_models import HUB_MODELS
from cascade_equivalence.study.machine import PACKAGES, Machine, look
from cascade_equivalence.study.optional import available
from cascade_equivalence.study.spec import Pairs, Study, load_study

STRONG = Machine(frozenset(PACKAGES), frozenset(), True, frozenset(), False, "H100", 85.0, 1000.0)
"""A machine that lacks nothing."""


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CEQ_CACHE", str(tmp_path / "cache"))


def account(name: str, machine: Machine = STRONG, **keys: Any) -> Account:
    study, base = load_study(name)
    return account_of(Study.model_validate(study.model_dump() | keys), base, machine)


def test_the_paper_by_hand() -> None:
    """Items, clips and downloads of the preset, counted by hand."""
    found = account("paper")
    items = {task.name: task.items for task in found.tasks}
    assert items == {
        "ag_news": 1000, "sst2": 872, "commonsenseqa": 500, "triviaqa": 500, "meld": 2610, "mustard": 690,
    }  # fmt: skip
    spoken, recorded = 2872, 3300
    trials = {arm.arm: arm.trials for arm in found.arms}
    assert trials["gold"] == spoken + recorded
    assert trials["ultravox"] == trials["cascade-s"] == 9 * spoken + 2 * recorded
    assert sum(task.to_speak for task in found.tasks) == spoken
    models = {one.name for one in found.downloads if one.kind == "model"}
    assert models == set(HUB_MODELS)
    assert found.fetch_gb == pytest.approx(sum(m.disk_gb for m in HUB_MODELS.values()) + 1.65, abs=0.2)
    assert all(one.revision for one in found.downloads if one.kind == "model" and "ultravox" not in one.name)
    assert found.can_start, found.missing


@pytest.mark.parametrize(
    ("lacks", "message"),
    [
        ({"packages": STRONG.packages - {"pyarrow"}}, r"pyarrow is not installed .*cascade-equivalence\[data\]"),
        ({"packages": STRONG.packages - {"torch"}}, r"torch is not installed .*cascade-equivalence\[models\]"),
        ({"token": False}, r"meta-llama/Llama-3.1-8B-Instruct asks for consent .*hf auth login"),
        ({"offline": True}, r"openai/whisper-large-v3 is not in the cache and HF_HUB_OFFLINE is set"),
        ({"accelerator": None, "memory_gb": 16.0}, r"needs about \d+ GB and this machine, without an acc"),
        ({"disk_gb": 20.0}, r"\d+ GB to fetch and 20 GB free"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_with_its_cure(lacks: dict[str, Any], message: str) -> None:
    import re

    found = account("paper", replace(STRONG, **lacks))
    assert not found.can_start
    assert any(re.search(message, one) for one in found.missing), found.missing


def test_the_paper_does_without_a_hosted_model_and_says_so() -> None:
    found = account("paper")
    assert found.can_start and list(found.left_out) == ["gemini"] and "GEMINI_API_KEY is not set" in str(found.left_out)
    (asked,) = found.requests
    assert (asked.model, asked.host) == ("gemini", "generativelanguage.googleapis.com")
    assert asked.requests == 9 * 2872 + 2 * 3300 and not asked.has_key
    hours = 9 * (1000 * 16 + 872 * 7 + 500 * 5 + 500 * 6) + 2 * (2610 * 3.5 + 690 * 5)
    assert asked.seconds == pytest.approx(hours)
    tokens = 0.3 * (asked.requests * 150 + asked.seconds * 32) + 2.5 * asked.requests * 32
    assert asked.cost == pytest.approx(tokens / 1e6)


def test_with_its_key_the_hosted_model_is_an_arm() -> None:
    study, base = load_study("paper")
    machine = replace(STRONG, keys=frozenset({"GEMINI_API_KEY"}))
    assert available(study, base, machine) == (study, {})
    assert account("paper", machine).requests[0].has_key
    without, why = available(study, base, STRONG)
    assert set(study.arms) - set(without.arms) == {"gemini"} == set(why)
    assert isinstance(without.comparisons, Pairs) and not any("gemini" in pair for pair in without.comparisons.pairs)
    no_client = replace(machine, packages=STRONG.packages - {"google.genai"})
    assert r"cascade-equivalence[gemini]" in available(study, base, no_client)[1]["gemini"]


def test_a_key_that_a_study_cannot_do_without_is_missing(tmp_path: Path) -> None:
    """An endpoint for transcripts is asked once a sound; a file that is not there is missing too."""
    models = {
        "ears": {"endpoint": "openai", "url": "https://a.example/v1", "model": "w", "key_env": "A_KEY"},
        "file": {"predictions": "said.jsonl"},
        "llm": {"id": "smollm2-135m"},
    }
    arms = {"s": {"asr": "ears", "llm": "llm"}, "w": {"asr": "ears", "llm": "ears"}, "f": {"speech_llm": "file"}}
    study = Study.model_validate({"tasks": ["topic"], "models": models, "arms": arms, "limit": 10})
    found = account_of(study, tmp_path, STRONG)
    assert not found.can_start and not found.left_out
    assert [one.partition(":")[0] for one in found.missing] == [
        "A_KEY is not set", "said.jsonl is not there (model 'file')",
    ]  # fmt: skip
    (asked,) = found.requests
    assert (asked.requests, asked.seconds, asked.cost, asked.key) == (20, 50.0, None, "A_KEY")
    assert account_of(study, tmp_path, replace(STRONG, keys=frozenset({"A_KEY"}))).missing == found.missing[1:]


def test_the_time_of_an_arm_has_its_checks() -> None:
    """Of the preset: 40 trials heard five ways, 40 repeated twice, 73 alone; the gold arm hears nothing."""
    sizes: dict[str, Any] = {"tasks": ["topic"], "conditions": ["clean"], "limit": 60}
    none = {"hearing": 0, "repeats": 0, "latency": 0}
    with_checks, without = account("pocket", **sizes), account("pocket", **sizes, checks=none)
    for name, asked, alone in (("cascade-s", 40 * 5 + 40 * 2, 73), ("gold", 40 + 24, 0)):
        more, bare = (next(arm for arm in one.arms if arm.arm == name) for one in (with_checks, without))
        assert more.seconds and bare.seconds and bare.trials == 60
        assert more.seconds / bare.seconds == pytest.approx((60 + asked + alone) / (60 + alone))


def test_what_is_there_is_not_fetched() -> None:
    cached = replace(STRONG, token=False, hub=frozenset(f"models--{name.replace('/', '--')}" for name in HUB_MODELS))
    found = account("paper-ultravox", cached)
    assert found.can_start and found.fetch_gb == pytest.approx(1.75, abs=0.2)


@pytest.mark.parametrize(
    ("name", "speech"), [("paper-ultravox", 1), ("paper-qwen2-audio", 1), ("paper-phi4", 1), ("paper", 3)]
)
def test_each_speech_llm_has_two_self_cascades(name: str, speech: int) -> None:
    study, _ = load_study(name)
    heard = [arm for arm, spec in study.arms.items() if spec.speech_llm and not spec.optional]
    assert len(heard) == speech
    for arm in heard:
        asrs = {
            spec.asr for spec in study.arms.values() if spec.llm is not None and getattr(spec.llm, "of", None) == arm
        }
        assert asrs >= {"whisper-large", "whisper-small"}


def test_unknown_models_are_said_to_be_unknown() -> None:
    study, _ = load_study("pocket")
    models = study.model_dump()["models"] | {"llm": {"id": "someone/else"}}
    found = account("pocket", models=models)
    (other,) = [one for one in found.downloads if one.name == "someone/else"]
    assert other.gb is None and "not known" in other.note
    assert next(arm for arm in found.arms if arm.arm == "gold").seconds is None


def test_looking_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    from rich.console import Console

    study, base = load_study("paper")
    machine = look()
    assert machine.memory_gb > 1 and machine.disk_gb > 0 and "torch" in machine.packages
    account = account_of(study, base, machine)
    print_account(account, Console(width=80))
    assert "…" not in capsys.readouterr().out
    print_account(account, Console(width=120))
    said = capsys.readouterr().out
    assert all(one.name in said and (one.revision or "")[:10] in said for one in account.downloads)
    assert "gemini-3.5-flash-lite" in said and "32,448 requests" in said and "left out: arm 'gemini'" in said
    assert "Llama 3.1 Community, asks for consent" in said and "openai/whisper-large-v3" in said
    assert not (tmp_path / "cache").exists()
