import json
import subprocess
import sys

import numpy as np
import pytest

from cascade_equivalence.agreement import Resamples, compare, verdict, verdict_words

from ..agreement.planted_data import arms
from ..shared_data import SHARED
from .harness import run

CONTRACT = {
    "n": None,
    "k": None,
    "agreement": None,
    "kappa": {"value", "low", "high"},
    "accuracy": {"left", "right", "difference"},
    "mcnemar": {"b", "c", "p", "method"},
    "error_overlap": {"value", "low", "high", "joint_errors", "chance"},
    "equivalence": {"margin", "p", "passed"},
    "invalid": {"left", "right"},
    "verdict": {"name", "kind", "better", "reason"},
    "notes": set(),
}
NAMES = np.array(["World", "Sports", "Business", "Sci/Tech", None], dtype=object)


@pytest.fixture
def files(tmp_path):
    gold, left, right = arms(0, n=600, flipped=0.05, invalid=0.01)

    def write(name, labels, gold_labels=None):
        rows = [
            {"id": f"i{i}", "prediction": NAMES[x]} | ({} if gold_labels is None else {"label": NAMES[gold_labels[i]]})
            for i, x in enumerate(labels)
        ]
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write("left.jsonl", left, gold), write("right.jsonl", right), (gold, left, right)


def printed(capsys):
    return json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest.fail(f"{word} in the JSON"))


def test_json_keeps_the_contract(files, capsys):
    left, right, (gold, a, b) = files
    assert run("agree", left, right, "--json") == 0
    out = printed(capsys)
    for key, inner in CONTRACT.items():
        assert key in out
        assert inner is None or inner <= set(out[key]), key
    assert {"value", "low", "high"} <= set(out["accuracy"]["difference"])
    pair = compare(a, b, gold, classes=4)
    assert out["n"] == 600
    assert out["k"] == 4
    assert out["kappa"]["value"] == pytest.approx(pair.kappa.value, abs=1e-12)
    assert out["accuracy"]["difference"]["value"] == pytest.approx((a == gold).mean() - (b == gold).mean())
    assert out["mcnemar"]["b"] == pair.mcnemar.b
    assert out["invalid"]["left"] == (a == -1).mean()
    assert out["verdict"]["name"] in ("equivalent", "different", "undecided")


def test_summary_for_people(files, capsys):
    left, right, _ = files
    assert run("agree", left, right) == 0
    out = capsys.readouterr().out
    for word in ("600 items", "kappa", "accuracy", "McNemar", "error overlap", "TOST"):
        assert word in out
    assert run("agree", left, right, "--json") == 0
    said = printed(capsys)["verdict"]
    assert said["reason"].split("; ")[0].removeprefix("accuracy: ") in out


def test_gold_from_a_third_file_and_a_known_ceiling(files, tmp_path, capsys):
    _, right, (gold, _, _) = files
    rows = (json.dumps({"id": f"i{i}", "label": NAMES[y]}) + "\n" for i, y in enumerate(gold[:-5]))
    (tmp_path / "gold.jsonl").write_text("".join(rows))
    assert run("agree", right, right, "--gold", tmp_path / "gold.jsonl", "--ceiling", "0.95", "--json") == 0
    out = printed(capsys)
    assert out["n_gold"] == 595
    assert "5 of 600" in out["notes"]["gold"]
    assert out["verdict"]["answers"]["reference"] == 0.95
    assert out["kappa"]["value"] == 1.0


def test_the_other_cascade_is_the_ceiling(files, tmp_path, capsys):
    left, right, (gold, a, b) = files
    other = np.where(np.random.default_rng(5).random(600) < 0.04, (b + 1) % 4, b)
    rows = (json.dumps({"id": f"i{i}", "prediction": NAMES[x]}) + "\n" for i, x in enumerate(other[:-10]))
    (tmp_path / "other.jsonl").write_text("".join(rows))
    words = ("agree", left, right, "--other-cascade", tmp_path / "other.jsonl")
    assert run(*words, "--json") == 0
    out = printed(capsys)
    assert out["n"] == 590
    assert out["unmatched"]["other"] == 10
    # Labels are numbered by name in files; κ does not mind.
    weights = Resamples.of_labels(a[:-10], b[:-10], gold[:-10], other[:-10])
    options = {"classes": 4, "weights": weights}
    pair = compare(a[:-10], b[:-10], gold[:-10], **options)
    said = verdict(pair, compare(b[:-10], other[:-10], gold[:-10], **options))
    assert out["verdict"]["answers"]["reference"] == pytest.approx(said.answers.reference)
    assert out["verdict"]["answers"]["gap"]["high"] == pytest.approx(said.answers.gap.high, abs=0.002)
    assert (out["verdict"]["kind"], out["verdict"]["better"]) == (said.kind, said.better)
    assert run(*words) == 0
    text = capsys.readouterr().out
    assert f"VERDICT: {verdict_words.title(said)}" in text
    assert "Is it more than a cascade?" in text
    with pytest.raises(SystemExit, match="2"):
        run(*words, "--ceiling", "0.9")


def test_without_a_ceiling_it_says_what_to_add(files, capsys):
    left, right, _ = files
    assert run("agree", left, right) == 0
    assert "add a second cascade on the same LLM" in capsys.readouterr().out
    assert run("agree", left, right, "--json") == 0
    assert printed(capsys)["verdict"]["answers"]["name"] == "not judged"


def test_without_gold_kappa_remains(files, capsys):
    _, right, _ = files
    assert run("agree", right, right, "--json") == 0
    out = printed(capsys)
    assert out["accuracy"] == {
        "left": None,
        "right": None,
        "difference": {"value": None, "low": None, "high": None},
    }
    assert out["mcnemar"]["b"] is None
    assert out["notes"]["accuracy"] == "no gold labels"
    assert out["verdict"]["name"] is None
    assert run("agree", right, right, "--ceiling", "0.95", "--json") == 0
    assert printed(capsys)["verdict"]["name"] == "equivalent"


def test_one_label_everywhere_is_null_with_a_note(tmp_path, capsys):
    path = tmp_path / "x.csv"
    path.write_text("id,prediction,label\n" + "".join(f"{i},yes,yes\n" for i in range(30)))
    assert run("agree", path, path, "--json") == 0
    out = printed(capsys)
    assert out["kappa"] == {"value": None, "low": None, "high": None}
    assert "kappa" in out["notes"]
    assert run("agree", path, path) == 0
    assert "undefined" in capsys.readouterr().out


def test_one_item(tmp_path, capsys):
    path = tmp_path / "x.csv"
    path.write_text("id,prediction,label\n1,yes,no\n")
    assert run("agree", path, path, "--json") == 0
    assert printed(capsys)["n"] == 1


def test_graded_answers(tmp_path, capsys):
    path = tmp_path / "x.jsonl"
    rows = [{"id": i, "correct": {"a": i % 3 > 0, "b": i % 4 > 0}, "label": ["x", "y"]} for i in range(60)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ("agree", path, path, "--left-key", "correct.a", "--right-key", "correct.b", "--graded", "--json")
    assert run(*words) == 0
    out = printed(capsys)
    assert out["accuracy"]["left"] == pytest.approx(40 / 60)
    assert out["accuracy"]["right"] == pytest.approx(45 / 60)
    assert out["error_overlap"]["value"] is None
    assert run("agree", path, path, "--left-key", "id", "--right-key", "correct.b", "--graded") == 2
    assert "--graded expects" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "two prediction files"),
        (("a",), "two prediction files"),
        (("missing", "missing"), "no such file"),
        (("{l}", "{r}", "--margin", "3"), "fraction between 0 and 1"),
        (("{l}", "{r}", "--margin", "nan"), "fraction between 0 and 1"),
        (("{l}", "{r}", "--ceiling", "1.5"), "at most 1"),
        (("{l}", "{r}", "--resamples", "1"), "--resamples"),
        (("{l}", "{r}", "--seed", "-1"), "--seed"),
        (("{l}", "{r}", "--left-key", "nothing"), "no field 'nothing'"),
        (("{l}", "{r}", "--gold-key", "nothing"), "no field 'nothing'"),
        (("{l}", "{r}", "--other-cascade", "{l}"), "is LEFT again"),
        (("{l}", "{r}", "--other-cascade", "{r}"), "is RIGHT again"),
        (("{l}", "{r}", "--gold", "{r}"), ""),
    ],
)
def test_wrong_use(files, capsys, words, message):
    left, right, _ = files
    status = run("agree", *(w.format(l=left, r=right) for w in words))
    out = capsys.readouterr().out
    assert (status == 2) == bool(message)
    assert message in out


def test_rows_by_their_number_need_as_many_rows(tmp_path, capsys):
    for name, rows in (("a.csv", 3), ("b.csv", 4)):
        (tmp_path / name).write_text("prediction,label\n" + "x,x\n" * rows)
    assert run("agree", tmp_path / "a.csv", tmp_path / "b.csv", "--id-key", "#") == 2
    assert "a.csv has 3 rows and" in capsys.readouterr().out


def test_all_invalid_is_a_clear_error(tmp_path, capsys):
    path = tmp_path / "x.csv"
    path.write_text("id,prediction\n1,\n2,INVALID\n")
    assert run("agree", path, path) == 2
    assert "not one valid prediction" in capsys.readouterr().out


def test_any_bytes_give_a_result_or_a_clear_error(tmp_path, capsys):
    """Files cut anywhere, and junk, never end in a traceback."""
    good = "".join(json.dumps({"id": i, "prediction": "xy"[i % 2], "label": "x"}) + "\n" for i in range(5)).encode()
    path, whole = tmp_path / "cut", tmp_path / "whole"
    whole.write_bytes(good)
    rng = np.random.default_rng(0)
    for cut in range(0, len(good), 3):
        path.write_bytes(good[:cut])
        assert run("agree", path, whole, "--json", "--resamples", "10") in (0, 2)
    for _ in range(60):
        head = [b"", b"PK\x03\x04", b"PAR1", b"{", b"[", b"id,prediction\n"][int(rng.integers(6))]
        path.write_bytes(head + rng.bytes(int(rng.integers(1, 400))))
        assert run("agree", path, whole, "--json", "--resamples", "10") == 2
    capsys.readouterr()


def test_validation_passes_on_planted_pairs(capsys):
    from cascade_equivalence.agreement.planted import validate

    results = validate(studies=40, resamples=400)
    assert len(results) == 8
    for r in results:
        assert r.passed, (r.name, r.summary)


def test_validate_fails_when_the_instrument_is_blind(capsys, monkeypatch):
    from cascade_equivalence.agreement import planted

    real = planted.validate
    monkeypatch.setattr(planted, "validate", lambda **kw: real(studies=10, resamples=50, items=40, **kw))
    assert run("agree", "--validate") == 1
    assert "FAIL" in capsys.readouterr().out


@pytest.mark.skipif(not (SHARED / "data" / "results").exists(), reason="the published results are not here")
def test_published_logs_by_dotted_keys(capsys):
    path = SHARED / "data" / "results" / "csqa_zero_shot_cot.jsonl"
    words = ("--left-key", "pred.zero_shot", "--right-key", "pred.zero_shot_cot", "--json")
    assert run("agree", path, path, *words) == 0
    out = printed(capsys)
    expected = json.loads((path.parent / "reference_stats.json").read_text())["csqa_zero_shot_cot"]["pairs"][0]
    assert out["kappa"]["value"] == pytest.approx(expected["kappa_predictions"], abs=1e-9)
    assert out["mcnemar"]["b"] == expected["only_a_right"]
    assert out["k"] == 5


def test_a_comparison_does_not_wait_for_scipy(files):
    """Importing scipy takes longer than the whole comparison."""
    code = (
        "import argparse, sys; from cascade_equivalence.commands import agree; p = argparse.ArgumentParser();"
        "agree.add_arguments(p); agree.main(p.parse_args());"
        "sys.exit(bool({'scipy', 'pandas', 'rich'} & set(sys.modules)))"
    )
    words = [sys.executable, "-c", code, str(files[0]), str(files[1]), "--resamples", "20"]
    assert subprocess.run(words, check=False, stdout=subprocess.DEVNULL).returncode == 0


def test_importing_the_command_is_light():
    code = (
        "import sys; import cascade_equivalence.commands.agree;"
        "sys.exit(bool({'numpy', 'scipy', 'rich', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
