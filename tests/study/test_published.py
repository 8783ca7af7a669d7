"""The paper's figures beside ours: where models and data are the paper's, and said where they are not."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from cascade_equivalence.agreement import wilson
from cascade_equivalence.agreement.interval import Interval
from cascade_equivalence.report.html import render
from cascade_equivalence.report.tables import tables_of
from cascade_equivalence.report.terminal import print_summary
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.beside import beside
from cascade_equivalence.study.cells import Cell
from cascade_equivalence.study.mechanism.facts import (
    Analyses,
    ErasedCondition,
    ErasureFact,
    ImplicitFact,
    ImplicitRow,
    LensFact,
    LensRow,
    ProbeRow,
    ProbesFact,
    R2Fact,
    TrialFact,
)
from cascade_equivalence.study.published import (
    ANY,
    FIGURES,
    GEMINI,
    SYSTEMS,
    TASKS,
    Beside,
    Figure,
    Ours,
    beside_the_paper,
    paper_name,
)
from cascade_equivalence.study.records import Identity, OriginRecord, StudyRecord, TaskRecord
from cascade_equivalence.study.results import Results, analyse
from cascade_equivalence.study.spec import load_study
from tests.report.journals import Made, make_run
from tests.report.page import Page

ARMS = {"uv": "Ultravox", "llama": "Ultravox's cascade", "s": "Cascade-S", "other": None}


def test_a_figure_inside_our_interval_and_one_outside() -> None:
    def ours(figure: Figure, task: str, left: str, right: str | None) -> Ours | None:
        assert task in {"news", "questions", ANY} and left in ARMS
        return {"kappa": Ours(0.90, 0.86, 0.94), "drop": Ours(0.02, 0.01, 0.03)}.get(figure.quantity)

    found = beside_the_paper(ARMS, {"news": "ag_news", "questions": "commonsenseqa"}, ours)
    assert len(found) == len(FIGURES)
    by = {(f.quantity, f.task, f.left, f.right, f.condition, f.layer): one for one in found for f in (one.figure,)}
    kappa = by["kappa", "AG News", "Ultravox", "Ultravox's cascade", "clean", None]
    assert kappa.inside is True
    assert by["kappa", "CommonsenseQA", "Ultravox", "Cascade-S", "clean", None].inside is False
    assert by["drop", "AG News", "Cascade-S", None, "babble@0dB", None].inside is True, "a range that ours meets"
    assert by["drop", "AG News", "Ultravox", None, "babble@0dB", None].inside is False
    why = by["kappa", "SST-2", "Ultravox", "Ultravox's cascade", "clean", None].why
    assert why == "not compared: the paper's SST-2 is not among the tasks"
    phi = by["kappa", "AG News", "Phi-4-MM", "Phi-4-MM's cascade", "clean", None]
    assert phi.ours is None and "no arm is the paper's Phi-4-MM nor Phi-4-MM's cascade" in phi.why
    assert "no such figure" in by["accuracy", "AG News", "Ultravox", None, "clean", None].why
    assert "no such figure" in by["lens precision", ANY, "Ultravox", None, "clean", 31].why
    assert "shut down" in by["kappa", "AG News", GEMINI, "Cascade-S", "clean", None].why


def test_the_presets_arms_are_the_papers() -> None:
    study, _ = load_study("paper")
    names = set()
    for arm in study.arms.values():
        speech = study.models[arm.speech_llm].id if arm.speech_llm else None
        asr = study.models[arm.asr].id if arm.asr else None
        llm = study.models[arm.llm].id if isinstance(arm.llm, str) else None
        if arm.transcript is None:
            names.add(paper_name(speech, asr, llm))
    wanted = {name for figure in FIGURES for name in (figure.left, figure.right) if name}
    assert wanted - {GEMINI} <= names
    assert set(SYSTEMS.values()) <= names and len(TASKS) == 6


def test_every_figure_is_a_fraction() -> None:
    assert all(0 <= one.low <= one.high <= 1 for one in FIGURES)


ULTRAVOX = "fixie-ai/ultravox-v0_6-llama-3_1-8b"


def results(dataset: str | None, speech: str, rows: int = 872, mechanism: Analyses | None = None) -> Results:
    """One speech LLM on one task, right on 86 %."""
    llama = Identity("llama", "meta-llama/Llama-3.1-8B-Instruct@0e9e39f249a1")
    arm = Arm("uv", "speech", None, llama, None, "llama", speech=Identity("uv", speech))
    origin = OriginRecord(dataset, rows=rows) if dataset else None
    task = TaskRecord("feelings", "labels", True, ("negative", "positive"), (), ("clean",), origin=origin)
    right = Interval(0.86, 0.83, 0.88)
    cell = Cell("feelings", "clean", "uv", 872, 872, right, 0, 0, np.zeros(872, int), np.ones(872, bool))
    study = StudyRecord(("clean",), 0.03, 1000, 0, 0.5, "matched")
    within = {"uv": mechanism} if mechanism else {}
    return Results(study, (task,), ("clean",), (arm,), {}, (cell,), (), (), (), {}, {}, (), mechanism=within)


def inside_facts() -> Analyses:
    """A speech LLM whose layers are as the paper says, on its own answers, half of them on another task."""
    trials = tuple(TrialFact("feelings" if i % 4 < 2 else "other", str(i), "positive") for i in range(80))
    said = tuple("positive" if i % 3 else "negative" for i in range(80))
    probe = ProbeRow("llm", 31, "ctc", value=0.21, low=0.19, high=0.23)
    pitch = [ProbeRow("llm", layer, "pitch", R2Fact(r2, r2 - 0.05, r2 + 0.05)) for layer, r2 in ((0, 0.2), (31, 0.5))]
    lens = LensRow("raw", 31, 0.9, False, 0.30, 0.28, 0.32, 0.1, 0.0, 0.0, 0.01, 0)
    read = {"lens": said, "shuffled": said, "wrong clip": said}
    gone = ErasedCondition("proxy", "all", said, ("INVALID",) * 40, ("positive",) * 40)
    return Analyses(
        ProbesFact(100, 5, (probe, *pitch)),
        LensFact(100, 100, (lens,), ()),
        ImplicitFact(trials, said, None, (ImplicitRow("raw", 31, 0, read),)),
        ErasureFact(trials, (gone,), generated_on=40),
    )


def of(found: tuple[Beside, ...]) -> dict[tuple[str, str, int | None], Beside]:
    return {(o.figure.quantity, o.figure.condition, o.figure.layer): o for o in found if o.ours}


def test_a_run_on_the_papers_model_and_data_has_its_figures_beside() -> None:
    found = of(beside(results("sst2", f"{ULTRAVOX}@abc")))
    assert list(found) == [("accuracy", "clean", None)]
    one = found["accuracy", "clean", None]
    assert (one.figure.task, one.figure.low, one.inside) == ("SST-2", 0.861, True)


def test_what_is_inside_stands_beside_too() -> None:
    found = of(beside(results("sst2", ULTRAVOX, mechanism=inside_facts())))
    assert found["ctc probe", "clean", 31].inside is True
    assert found["pitch probe", "clean", None].inside is False, "the layer that has least"
    assert found["lens precision", "clean", 31].inside is False
    implicit, erased = found["implicit kappa", "clean", 31], found["accuracy erased", "proxy", None]
    assert implicit.ours and implicit.ours.value == 1 and implicit.inside is False
    assert erased.ours and erased.ours.value == 0 and erased.inside is True
    assert erased.ours.high == pytest.approx(wilson(0, 20).high), "of this task's trials alone"


def test_a_run_on_another_model_or_data_has_reasons_or_none() -> None:
    """A task of one's own under any name is not the paper's, nor a part of its data, nor a folder under its model's
    name."""
    assert beside(results(None, ULTRAVOX)) == ()
    for one in beside(results("sst2", "ultravox-v0_6-llama-3_1-8b")):
        assert one.ours is None and one.why.startswith("not compared: ")
    part = beside(results("sst2", ULTRAVOX, rows=60))
    assert not of(part) and "not compared: SST-2 here has 60 rows, published are 872" in {one.why for one in part}


def test_both_reports_show_them(tmp_path: Path) -> None:
    found = analyse(make_run(tmp_path, Made(conditions=("clean",))))
    assert "Beside the paper" not in Page(render(found, tmp_path)).text
    tasks = tuple(replace(task, origin=OriginRecord("ag_news", rows=7600)) for task in found.tasks)
    parts = {
        "cascade-s": ("openai/whisper-large-v3@06f233fe06e7", ULTRAVOX),
        "cascade-w": ("openai/whisper-small", "Qwen/Qwen2.5-7B-Instruct"),
    }
    arms = tuple(
        replace(a, asr=Identity("a", parts[a.name][0]), llm=Identity("l", "Qwen/Qwen2.5-7B-Instruct@a09a"))
        if a.name in parts
        else a
        for a in found.arms
    )
    found = replace(found, tasks=tasks, arms=arms)
    page, out = Page(render(found, tmp_path)).text, io.StringIO()
    print_summary(found, Console(file=out, width=100))
    terminal = out.getvalue()
    assert max(map(len, terminal.splitlines())) <= 100
    for text in (page, " ".join(terminal.split())):
        assert "Table 4: probes" in text and "no arm is the paper's Ultravox" in text
        assert "0.93 to 0.98 over tasks" in text, "the ceiling, which this run has"
    assert "beside_the_paper" in {table.name for table in tables_of(found)}
