import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from cascade_equivalence.agreement import compare, verdict
from cascade_equivalence.agreement.planning import items_for_ceiling, items_for_margin, power_of

from ..agreement.planted_data import arms
from .harness import run


def test_plan_for_a_margin(capsys):
    assert run("plan", "--discordance", "0.05", "--items", "200", "--json") == 0
    out = json.loads(capsys.readouterr().out)
    assert out["margin"] == 0.03
    assert 470 <= out["accuracy"]["items"] <= 570
    assert out["accuracy"]["simulated_power"] == pytest.approx(0.8, abs=0.04)
    assert out["accuracy"]["given_power"] < 0.3
    assert "kappa" not in out
    assert out["items"] == out["accuracy"]["items"]


def test_plan_for_kappa(capsys):
    words = ("plan", "--kappa", "0.93", "--ceiling", "0.95", "--classes", "4", "--kappa-width", "0.02")
    assert run(*words, "--json") == 0
    out = json.loads(capsys.readouterr().out)["kappa"]
    assert out["claim"] == "same"
    assert out["epsilon"] == 0.05
    assert out["interval_items"] > 300
    assert run(*words) == 0
    assert f"{out['items']} items" in capsys.readouterr().out


def test_summary_for_people(capsys):
    assert run("plan", "--discordance", "0.1", "--difference", "0.01", "--items", "400") == 0
    out = capsys.readouterr().out
    assert "accuracy within ±3 points" in out
    assert "true difference of +1 points" in out
    assert "400 items have" in out
    assert run("plan", "--discordance", "0.1", "--difference", "0.03") == 0
    assert "never (the assumed difference lies on the margin itself)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "kind", "title"),
    [
        (("--discordance", "0.05"), "same accuracy", "same accuracy; answers: cannot tell yet"),
        (("--discordance", "0.1", "--difference", "0.06"), "better", "better"),
        (("--discordance", "0.1", "--difference", "-0.06"), "worse", "worse"),
        (("--discordance", "0.1", "--difference", "0.06", "--kappa", "0.8", "--ceiling", "0.95"), "better", "better"),
        (("--discordance", "0.05", "--kappa", "0.93", "--ceiling", "0.95"), "same", "same accuracy, same answers"),
        (
            ("--discordance", "0.1", "--kappa", "0.8", "--ceiling", "0.95"),
            "other answers, same accuracy",
            "same accuracy, other answers",
        ),
        (("--discordance", "0.1", "--difference", "0.03"), "open", "cannot tell yet"),
    ],
)
def test_a_plan_says_towards_which_verdict(capsys, words, kind, title):
    assert run("plan", *words, "--json") == 0
    out = json.loads(capsys.readouterr().out)
    assert out["kind"] == kind
    if kind in ("better", "worse"):
        assert out["accuracy"]["simulated_power"] == pytest.approx(0.8, abs=0.04)
        assert out["items"] == out["accuracy"]["items"]
    assert run("plan", *words) == 0
    assert f"verdict “{title}”" in capsys.readouterr().out


def test_two_statements_are_planned_together(capsys):
    """Each with the root of the power, so that both together have it if they were independent."""
    assert run("plan", "--discordance", "0.05", "--kappa", "0.93", "--ceiling", "0.95", "--json") == 0
    out = json.loads(capsys.readouterr().out)
    assert out["items"] > max(out["accuracy"]["items"], out["kappa"]["items"])
    assert out["items"] == max(
        items_for_margin(0.05, power=0.8**0.5), items_for_ceiling(0.93, 0.95, classes=4, power=0.8**0.5).items
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--discordance D, --kappa K, or --run DIR"),
        (("--discordance", "0"), "discordance must lie"),
        (("--discordance", "nan"), "discordance must lie"),
        (("--discordance", "0.05", "--power", "1"), "power must lie"),
        (("--discordance", "0.05", "--margin", "-1"), "margin must lie"),
        (("--discordance", "0.05", "--ceiling", "0.9"), "need --kappa"),
        (("--discordance", "0.05", "--items", "0"), "at least 1"),
        (("--run", "x", "--discordance", "0.1"), "leave out --discordance"),
        (("--kappa", "0.9"), "needs --ceiling"),
        (("--kappa", "2", "--ceiling", "0.9"), "kappa must lie"),
        (("--kappa", "0.9", "--ceiling", "0.9", "--classes", "1"), "at least two labels"),
    ],
)
def test_wrong_use(capsys, words, message):
    assert run("plan", *words) == 2
    assert message in capsys.readouterr().out


def seen(task, seed, with_gold=True):
    """A comparison as a run's results hold it."""
    gold, left, right = arms(seed, n=300, flipped=0.04)
    pair = compare(left, right, gold if with_gold else None, classes=4, resamples=100)
    names = {"condition": "clean", "left": "self-cascade", "right": "cascade-s"}
    return SimpleNamespace(task=task, pair=pair, verdict=verdict(pair, 0.95), **names)


def test_plan_from_a_run(monkeypatch, capsys):
    results = pytest.importorskip("cascade_equivalence.study.results")
    found = [seen("topic", 0), seen("emotion", 1, with_gold=False)]
    monkeypatch.setattr(results, "analyse", lambda directory: SimpleNamespace(comparisons=found))
    assert run("plan", "--run", "somewhere", "--json") == 0
    topic, emotion = json.loads(capsys.readouterr().out)["comparisons"]
    test = found[0].pair.mcnemar
    assert topic["discordance"] == (test.b + test.c) / 300
    assert topic["items"] == items_for_margin(topic["discordance"])
    assert topic["power"] == power_of(found[0].pair)
    assert topic["items_to_decide"] == found[0].verdict.items_needed
    assert topic["kind"] == found[0].verdict.kind
    assert emotion["items"] is None
    assert run("plan", "--run", "somewhere") == 0
    out = capsys.readouterr().out
    assert f"{topic['items']} items for 80 %" in out
    assert "no gold labels" in out


def test_a_folder_that_is_no_run(tmp_path, capsys):
    assert run("plan", "--run", tmp_path) in (1, 2)
    assert "error:" in capsys.readouterr().out


def test_importing_the_command_is_light():
    code = (
        "import sys; import cascade_equivalence.commands.plan;"
        "sys.exit(bool({'numpy', 'scipy', 'rich', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
