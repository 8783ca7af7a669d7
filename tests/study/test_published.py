"""The paper's figures beside ours: where models and data are the paper's, and said where they are not."""

from __future__ import annotations

import numpy as np

from cascade_equivalence.agreement.interval import Interval
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.beside import beside
from cascade_equivalence.study.cells import Cell
from cascade_equivalence.study.published import FIGURES, SYSTEMS, TASKS, Ours, beside_the_paper, paper_name, rows
from cascade_equivalence.study.records import Identity, OriginRecord, StudyRecord, TaskRecord
from cascade_equivalence.study.results import Results
from cascade_equivalence.study.spec import load_study

ARMS = {"uv": "Ultravox", "llama": "matched, Ultravox", "s": "Cascade-S", "other": None}


def test_a_figure_inside_our_interval_and_one_outside() -> None:
    def ours(quantity: str, task: str, left: str, right: str | None, condition: str) -> Ours | None:
        assert task in {"news", "questions"} and left in ARMS
        return {"kappa": Ours(0.90, 0.86, 0.94), "drop": Ours(0.02, 0.01, 0.03)}.get(quantity)

    found = beside_the_paper(ARMS, {"news": "ag_news", "questions": "commonsenseqa"}, ours)
    assert len(found) == len(FIGURES)
    by = {(one.figure.quantity, one.figure.task, one.figure.left, one.figure.right): one for one in found}
    assert by["kappa", "AG News", "Ultravox", "matched, Ultravox"].inside is True
    assert by["kappa", "CommonsenseQA", "Ultravox", "Cascade-S"].inside is False
    assert by["drop", "AG News", "Cascade-S", None].inside is True, "a range that our interval meets"
    assert by["drop", "AG News", "Ultravox", None].inside is False
    assert by["kappa", "SST-2", "Ultravox", "matched, Ultravox"].why == "not compared: SST-2 is not among the tasks"
    phi = by["kappa", "AG News", "Phi-4-MM", "matched, Phi-4-MM"]
    assert phi.ours is None and "no arm is the paper's Phi-4-MM nor matched, Phi-4-MM" in phi.why
    assert by["accuracy", "AG News", "Ultravox", None].why.startswith("not compared: accuracy under clean")
    assert all(len(row) == 8 for row in rows(found))


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
    assert wanted <= names
    assert set(SYSTEMS.values()) <= names and len(TASKS) == 6


def test_every_figure_is_a_fraction() -> None:
    assert all(0 <= one.low <= one.high <= 1 for one in FIGURES)


def results(dataset: str | None, speech: str) -> Results:
    """One speech LLM on one task, right on 86 %."""
    llama = Identity("meta-llama/Llama-3.1-8B-Instruct")
    arm = Arm("uv", "speech", None, llama, None, "llama", speech=Identity(speech))
    origin = OriginRecord(dataset) if dataset else None
    task = TaskRecord("feelings", "labels", True, ("negative", "positive"), (), ("clean",), origin=origin)
    right = Interval(0.86, 0.83, 0.88)
    cell = Cell("feelings", "clean", "uv", 872, 872, right, 0, 0, np.zeros(872, int), np.ones(872, bool))
    study = StudyRecord(("clean",), 0.03, 1000, 0, 0.5, "matched")
    return Results(study, (task,), ("clean",), (arm,), {}, (cell,), (), (), (), {}, {}, ())


def test_a_run_on_the_papers_model_and_data_has_its_figures_beside() -> None:
    found = beside(results("sst2", "fixie-ai/ultravox-v0_6-llama-3_1-8b"))
    (one,) = [one for one in found if one.ours]
    assert (one.figure.quantity, one.figure.task, one.figure.low, one.inside) == ("accuracy", "SST-2", 0.861, True)


def test_a_run_on_another_model_or_data_has_none() -> None:
    """A task of one's own under any name is not the paper's; only a public data set is."""
    assert beside(results(None, "fixie-ai/ultravox-v0_6-llama-3_1-8b")) == ()
    assert beside(results("sst2", "someone/else")) == ()
