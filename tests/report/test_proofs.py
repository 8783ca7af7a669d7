"""What stands before the κ table: identities with parts, match, gate, noise floor, ceiling; and old journals."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from cascade_equivalence.commands.report import write
from cascade_equivalence.report.html import render
from cascade_equivalence.report.proofs import NO_GATE, flattered, proofs
from cascade_equivalence.report.terminal import print_summary
from cascade_equivalence.run.journal import Journal
from cascade_equivalence.run.layout import JOURNAL
from cascade_equivalence.study.results import analyse
from tests.study.test_speech_results import build, identity, planted

from .journals import Made, make_run
from .page import Page


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    build(out, {name: labels for name, labels in planted().items() if name in {"gold", "s", "w", "disguised", "deaf"}})
    journal = Journal(out / JOURNAL)
    arms = journal.fact("arms")
    arms["s"] |= {"same": ["<b>self</b>"], "retest": "retest:s"}
    arms["disguised"]["parts"]["connector"] = identity("joint")
    journal.put_fact("arms", arms)
    rows = [["t", f"t{i}", "abcd"[i % 4]] for i in range(20)]
    journal.put_fact("retest:s", {"arm": "s", "condition": "clean", "nuisances": {"shift": rows}})
    match = {"grade": "identical", "equal_share": 1.0, "distance": 0.0, "precision": None, "note": "all tensors"}
    journal.put_fact("matches", [{"left": "disguised", "right": other, **match} for other in ("gold", "s")])
    journal.put_fact("study", journal.fact("study") | {"name": "by hand"})
    tasks = journal.fact("tasks")
    tasks[0] |= {"mode": "labels", "prompt": "?", "shots": [], "calibrated_on": 0}
    journal.put_fact("tasks", tasks)
    journal.put_fact(
        "identities", {n: i | {"runtime": "", "decoding": {}} for n, i in journal.fact("identities").items()}
    )
    for arm in arms.values():
        arm["parts"] = {role: part | {"runtime": "", "decoding": {}} for role, part in arm["parts"].items()}
    journal.put_fact("arms", arms)
    journal.close()
    return out


def terminal(directory: Path) -> str:
    out = io.StringIO()
    print_summary(analyse(directory), Console(file=out, width=140))
    return out.getvalue()


def test_the_terminal_says_it_above_the_agreement(directory: Path) -> None:
    text = terminal(directory)
    above, _, below = text.partition("AGREEMENT")
    for said in ("same as s", "connector", "identical", "does not hear", "a shift of 10 ms", "ceiling, t, clean"):
        assert said in above
    assert "gold, s" in above
    assert "deaf against" not in below
    assert "disguised hears through the same encoder as the ASR of s" in below


def test_the_page_says_it_too_and_escapes_names(directory: Path) -> None:
    html = render(analyse(directory), directory)
    text = Page(html).text
    assert "<b>self</b>" not in html
    for said in ("Hearing check", "does not hear", "identical", "Test–retest κ", "heard the audio itself"):
        assert said in text
    assert "disguised hears through the same encoder as the ASR of s" in text


def test_only_shared_encoders_flatter(directory: Path) -> None:
    assert flattered(analyse(directory)) == [("disguised", "s")]


def test_a_failed_gate_is_exit_status_one(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert write(directory) == 1
    assert "does not pass the hearing check" in " ".join(capsys.readouterr().err.split())


def test_an_old_journal_says_that_there_was_no_gate(tmp_path: Path) -> None:
    results = analyse(make_run(tmp_path, Made()))
    assert results.hearing is None
    assert proofs(results) == []
    assert results.comparisons
    assert NO_GATE in " ".join(terminal(tmp_path).split())
    assert "from before the hearing check" in Page(render(results, tmp_path)).text
    assert write(tmp_path) == 0
