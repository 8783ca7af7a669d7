"""What is inside, in both reports, from facts made by hand."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from cascade_equivalence.report.html import render
from cascade_equivalence.report.mechanism import insides
from cascade_equivalence.report.terminal import print_summary
from cascade_equivalence.run.journal import Journal
from cascade_equivalence.run.layout import JOURNAL
from cascade_equivalence.study.mechanism.facts import Analyses
from cascade_equivalence.study.records import Identity, decode
from cascade_equivalence.study.results import Results, analyse
from tests.report.journals import NASTY, Made, make_run
from tests.report.page import Page

N = 20
GOLD = ["World" if i % 2 else "Sports" for i in range(N)]
OTHER = ["Sports" if i % 2 else "World" for i in range(N)]


def probe(r2: float) -> dict[str, Any]:
    return {"r2": r2, "low": r2 - 0.1, "high": r2 + 0.1}


def facts(token: str = "word") -> dict[str, dict[str, Any]]:
    trials = [{"task": "topic", "item": f"topic-{i:03}", "gold": gold} for i, gold in enumerate(GOLD)]
    bag = {"low": 0.2, "high": 0.4, "recall": 0.1, "null_precision": 0.01, "null_recall": 0.01, "p": 0.01, "empty": 0}
    lens = [
        {"reader": "raw", "layer": 0, "on_text": 0.01, "blind": True, "precision": None, **bag},
        {"reader": "raw", "layer": 4, "on_text": 0.4, "blind": False, "precision": 0.3, **bag},
        {"reader": "text", "layer": 0, "on_text": 0.9, "blind": False, "precision": 0.7, **bag},
    ]
    picture = {
        "item": "topic-001",
        "text": token,
        "rows": [
            {"reader": "raw", "layer": layer, "tokens": [[token, "x"], ["b", "y"]], "scores": [-0.1, -3.0]}
            for layer in (0, 4)
        ],
    }
    plain = [[-30.0, 10.0], [-40.0, 20.0]]
    conditions = [
        {"name": name, "scope": scope, "labels": labels}
        for name, scope, labels in (
            ("none", "audio", GOLD),
            ("proxy", "audio", OTHER),
            ("random 1", "audio", GOLD),
            ("random 2", "audio", OTHER),
            ("acoustic", "all", GOLD),
        )
    ]
    names = ["proxy", "random 1", "random 2", "acoustic"]
    ctc = [
        {"target": "ctc", "symbols": r, "hidden": 0, "value": 0.1 * r, "low": 0.0, "high": 0.5, "impossible": 1.0}
        for r in (1, 4)
    ]
    sound = {"linear": probe(0.4), "mlp": probe(0.5), "selectivity": 0.3}
    return {
        "probes": {
            "n": 60,
            "speakers": 12,
            "rows": [
                {"where": where, "layer": 0, **row}
                for where in ("llm", "encoder")
                for row in (
                    *ctc,
                    {"target": "energy", **sound},
                    {"target": "bag", "linear": probe(0.2), "mlp": probe(0.3)},
                )
            ],
        },
        "lens": {"n": N, "sentences": 100, "rows": lens, "pictures": [picture]},
        "implicit": {
            "trials": trials,
            "own": GOLD,
            "cascade": GOLD,
            "rows": [
                {
                    "reader": "text",
                    "layer": 4,
                    "empty": 1,
                    "labels": {"lens": GOLD, "shuffled": OTHER, "wrong clip": OTHER},
                }
            ],
        },
        "erasure": {
            "trials": trials,
            "generated_on": 0,
            "fit": 1000,
            "fit_outside": 900,
            "fit_rows": 30000,
            "layers": [0, 4],
            "left_out": {"variance-matched": "layer 4: out of reach"},
            "conditions": conditions,
            "ranks": dict.fromkeys(names, 64),
            "removed": dict.fromkeys(names, 0.25),
            "damage": dict.fromkeys(("none", *names), plain),
            "decodability": [{"layer": 4, "name": "none", "linear": probe(0.5), "mlp": probe(0.6)}],
        },
        "patching": {
            "trials": trials,
            "own": GOLD,
            "other": OTHER,
            "rows": [{"layer": 0, "labels": OTHER}, {"layer": 4, "labels": GOLD}],
        },
    }


def results(directory: Path, source: str = "pocket-frames", token: str = "word") -> Results:
    found = analyse(make_run(directory, Made(conditions=("clean",))))
    arms = tuple(replace(arm, speech=Identity("it", source)) if arm.name == "cascade-s" else arm for arm in found.arms)
    return replace(found, arms=arms, mechanism={"cascade-s": decode(Analyses, facts(token), "by hand")})


def test_both_reports_say_the_findings(tmp_path: Path) -> None:
    found = results(tmp_path)
    out = io.StringIO()
    print_summary(found, Console(file=out, width=100))
    text = " ".join(out.getvalue().split())
    page = Page(render(found, tmp_path)).text
    for said in (
        "hand-off at layer 4",
        "blind even on plain text at layers 0",
        "text (proxy) 0.0 (0.0–16.1)",
        "random, same rank 50.0",
        "κ 1.00",
        "text (proxy) at audio positions, points of accuracy",
    ):
        assert said in text
        assert said in page
    for said in (
        "as the paper’s Table 7",
        "900 utterances with words",
        "2 seeds 0.0–100.0",
        "same variance, layer 4: out of reach",
        "encoder 0",
        "κ_casc",
        "Fewer than 1000",
        "MLP 0.30",
    ):
        assert said in page


def test_tokens_and_texts_are_escaped(tmp_path: Path) -> None:
    html = render(results(tmp_path, token=NASTY), tmp_path)
    assert NASTY not in html
    assert NASTY in Page(html).text


def test_a_positive_control_is_said_to_be_one(tmp_path: Path) -> None:
    for source, told in (("pocket-ctc", True), ("pocket-frames", False)):
        inside = Page(render(results(tmp_path / source, source), tmp_path)).text.partition("Inside the speech LLMs")[2]
        assert ("by construction" in inside) is told


def test_a_study_without_analyses_has_no_such_section(tmp_path: Path) -> None:
    found = analyse(make_run(tmp_path, Made(conditions=("clean",))))
    assert insides(found) == []
    page = Page(render(found, tmp_path))
    assert "inside" not in {attrs.get("id") for attrs in page.all("section")}
    assert "#inside" not in {attrs.get("href") for attrs in page.all("a")}


def test_facts_are_found_through_the_journal(tmp_path: Path) -> None:
    make_run(tmp_path, Made(conditions=("clean",)))
    journal = Journal(tmp_path / JOURNAL)
    arm = {"kind": "cascade", "asr": "asr-0", "llm": "llm", "mechanism": {"lens": "mechanism:lens:1", "erasure": "?"}}
    journal.put_fact("arms", {"cascade-s": arm})
    journal.put_fact("wanted", {"cascade-s": journal.fact("wanted")["cascade-s"]})
    journal.put_fact("mechanism:lens:1", facts()["lens"])
    journal.close()
    assert analyse(tmp_path).mechanism == {"cascade-s": decode(Analyses, {"lens": facts()["lens"]}, "by hand")}
