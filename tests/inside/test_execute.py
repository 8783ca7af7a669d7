"""The whole path on a tiny speech LLM with random weights: facts, resumption, and a report without models."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.inside.execute import analyse_mechanism
from cascade_equivalence.report.mechanism import insides
from cascade_equivalence.run.execute import execute
from cascade_equivalence.run.journal import Journal
from cascade_equivalence.run.layout import JOURNAL
from cascade_equivalence.run.plan import Plan
from cascade_equivalence.run.progress import Silent
from cascade_equivalence.run.run import open_run
from cascade_equivalence.study.build import build_plan
from cascade_equivalence.study.record import record
from cascade_equivalence.study.results import analyse
from cascade_equivalence.study.spec import Study
from tests.systems.speech.tiny import write_llm, write_pocket, write_whisper

ANALYSES = ["lens", "implicit", "erasure", "patching"]


class Heard(Silent):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


def make(root: Path, layers: list[int] | None = None) -> tuple[Study, Plan]:
    llm, encoder = root / "llm", root / "whisper"
    if not llm.is_dir():
        write_llm(llm), write_whisper(encoder)
        write_pocket(root / "speech", "frames", llm, encoder)
    study = Study.model_validate(
        {
            "tasks": ["topic"],
            "models": {"speech": {"id": str(root / "speech"), "prompt": "plain"}},
            "arms": {"speech": {"speech_llm": "speech"}},
            "analyses": ["agreement", *ANALYSES],
            "mechanism": {
                "trials": 8,
                "fit": 40,
                "sentences": 40,
                "damage": 3,
                "generate": 2,
                "seeds": 2,
                "decode": 1,
                "layers": layers,
                "concepts": ["proxy", "bag"],
            },
            "dtype": "float32",
            "limit": 8,
            "resamples": 100,
        }
    )
    return study, build_plan(study, Path.cwd(), print)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture(scope="module")
def directory(root: Path) -> Path:
    study, plan = make(root)
    out = root / "run"
    with open_run(out, plan, Silent()) as run:
        record(study, plan, run.journal)
        assert execute(run) == 0
    analyse_again(study, plan, out, Silent())
    return out


def analyse_again(study: Study, plan: Plan, out: Path, reporter: Silent) -> None:
    with open_run(out, plan, reporter) as run:
        analyse_mechanism(run, study.analyses, study.mechanism)


def test_every_analysis_is_a_fact_that_the_report_finds(directory: Path) -> None:
    results = analyse(directory)
    assert all(getattr(results.mechanism["speech"], name) for name in ANALYSES)
    (inside,) = insides(results)
    assert [t.title for t in inside.tables] == [
        "Lens",
        "Implicit cascade",
        "Erasure",
        "Text left after erasure",
        "Interchange by layer",
    ]
    fact = results.mechanism["speech"].erasure
    assert fact is not None
    assert (fact.fit, fact.layers) == (40, (0, 1))
    assert {(c.name, c.scope) for c in fact.conditions} == {
        ("none", "audio"),
        *(
            (n, s)
            for n in ("proxy", "bag", "permuted", "random 1", "random 2", "variance-matched")
            for s in ("audio", "all")
        ),
    }
    # The words the eraser was fitted on are linear no more, on utterances that it has not seen hardly so.
    left = {row.name: row.linear.r2 for row in fact.decodability}
    assert left["proxy"] < 0.1


def test_a_rerun_does_only_what_is_missing(root: Path, directory: Path) -> None:
    copy = root / "again"
    shutil.copytree(directory, copy)
    study, plan = make(root)
    before = analyse(copy).mechanism
    heard = Heard()
    analyse_again(study, plan, copy, heard)
    assert heard.lines == []
    journal = Journal(copy / JOURNAL)
    key = journal.fact("arms")["speech"]["mechanism"]["patching"]
    journal._db.execute("DELETE FROM facts WHERE key = ?", (key,))
    journal.close()
    analyse_again(study, plan, copy, heard)
    assert [line for line in heard.lines if not line.startswith("loading")] == ["patching: speech"]
    assert analyse(copy).mechanism == before


def test_a_layer_that_does_not_exist_is_named(root: Path) -> None:
    study, plan = make(root, [0, 5])
    with pytest.raises(AnalysisError, match="layer 5 does not exist"):
        analyse_again(study, plan, root / "none", Silent())
