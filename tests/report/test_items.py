"""One row an answer: from the exported file alone, read by other libraries, every accuracy and κ of the report."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pandas
import polars
import pytest

from cascade_equivalence.cli import main
from cascade_equivalence.report.figures import figures_of
from cascade_equivalence.report.item_files import FORMATS
from cascade_equivalence.report.methods import methods
from cascade_equivalence.run.layout import GOLD_CONDITION, JOURNAL
from cascade_equivalence.study.answers import COLUMNS
from cascade_equivalence.study.results import POOLED, Results, analyse
from tests.study.planted import build, task

from .journals import Made, make_run
from .test_tables import EARLIER, HOSTILE, LABELS

KINDS = ("planted", "open", pytest.param("real", marks=pytest.mark.skipif(not EARLIER.is_file(), reason="no data")))
BIDI = "\u202e"


def said(arm: str, name: str, condition: str, i: int) -> str:
    if (arm, i % 31) == ("speech", 5):
        return "INVALID"
    wrong = i % 20 in {"gold": (3,), "s": (3, 7), "w": (3, 9), "speech": (3, 7, 11)}[arm]
    labels = LABELS if name == "one" else LABELS[:2]
    return labels[(i + (wrong or (condition != "clean" and i % 3 == 0))) % len(labels)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {name: tmp_path_factory.mktemp(name) for name in ("planted", "open", "real")}
    conditions = ["clean", "babble@5dB", "silence"]
    one, two = task("one", LABELS, 40, conditions=conditions), task("two", LABELS[:2], 30, conditions=conditions)
    build(made["planted"], [one, two], said, resamples=100)
    made["open"] = make_run(made["open"], Made(tasks={"trivia": ("open", ("Paris", "Rome"))}, conditions=("clean",)))
    if EARLIER.is_file():
        shutil.copyfile(EARLIER, made["real"] / JOURNAL)
    return made


def read(path: Path) -> pandas.DataFrame:
    """The file as pandas has it, after polars has found the same in it."""
    if path.suffix == ".csv":
        frame = pandas.read_csv(path, keep_default_na=False, na_values=[""], dtype={"item": str, "label": str})
        other = polars.read_csv(path, infer_schema_length=None, schema_overrides={"item": str, "label": str})
    else:
        frame, other = pandas.read_parquet(path), polars.read_parquet(path)
    assert other.columns == list(frame.columns) == list(COLUMNS)
    assert other["label"].to_list() == frame["label"].to_list()
    assert other["right"].sum() == frame["right"].eq(True).sum()
    assert other["seconds"].sum() == pytest.approx(frame["seconds"].sum())
    return frame


def kappa(both: pandas.DataFrame) -> float | None:
    """Cohen's κ by its definition; chance agreement within each task."""
    agreed = (both.left == both.right).mean()
    chance = 0.0
    for _, rows in both.groupby("task"):
        shares = [rows[side].value_counts(normalize=True) for side in ("left", "right")]
        chance += len(rows) / len(both) * shares[0].mul(shares[1], fill_value=0.0).sum()
    return None if chance == 1.0 else (agreed - chance) / (1.0 - chance)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_items_reproduce_every_accuracy_and_kappa(runs: dict[str, Path], kind: str, form: str) -> None:
    assert main(["export", str(runs[kind]), "--items", form]) == 0
    frame, results = read(runs[kind] / f"items/items.{form}"), analyse(runs[kind])
    assert results.cells and results.comparisons
    shares = frame.dropna(subset=["right"]).astype({"right": bool}).groupby(["task", "condition", "arm"])["right"]
    for cell in results.cells:
        mine = shares.mean().get((cell.task, cell.condition, cell.arm))
        assert mine == pytest.approx(cell.accuracy.value, abs=1e-12)
        assert shares.size()[cell.task, cell.condition, cell.arm] == cell.n
    kinds = {t.name: t for t in results.tasks}
    for c in results.comparisons:
        tasks = [t.name for t in results.tasks if t.pools] if c.task == POOLED else [c.task]
        of = {}
        for side in ("left", "right"):
            rows = frame[frame.task.isin(tasks) & (frame.arm == getattr(c, side))]
            rows = rows[rows.condition.isin([c.condition, GOLD_CONDITION])].set_index(["task", "item"])
            # On open tasks the answers are compared as right and wrong.
            is_open = rows.index.get_level_values("task").map(lambda name: kinds[name].open)
            of[side] = rows.label.where(~is_open | (rows.label == "INVALID"), rows.right.astype(str))
        both = pandas.DataFrame(of).dropna().reset_index()
        assert len(both) == c.pair.n
        assert kappa(both) == pytest.approx(c.pair.kappa.value, abs=1e-12)
        if c.pair.accuracy and not c.closed:
            assert (both.left == "True").mean() == pytest.approx(c.pair.accuracy.left.value)


def test_scores_are_lists_in_parquet_and_objects_in_csv(runs: dict[str, Path], tmp_path: Path) -> None:
    if not EARLIER.is_file():
        pytest.skip("no data")
    answers = analyse(runs["real"]).answers()
    for form in FORMATS:
        assert main(["export", str(runs["real"]), "--items", form, "--out", str(tmp_path)]) == 0
    scored = [i for i, row in enumerate(answers) if row.scores]
    parquet, text = polars.read_parquet(tmp_path / "items.parquet"), polars.read_csv(tmp_path / "items.csv")
    for i in (*scored[:5], scored[-1]):
        assert {s["label"]: s["score"] for s in parquet["scores"][i]} == answers[i].scores
        assert json.loads(text["scores"][i]) == answers[i].scores


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_and_words_are_inert_in_every_file(tmp_path: Path, name: str) -> None:
    arms = ("gold", f"cascade-s{name}", "cascade-w onload=x href=y <b>")
    run = make_run(
        tmp_path / "run",
        Made(tasks={name: ("labels", (name, f"{name}2"))}, arms=arms, n=6, text=name, read=name, sound=False),
    )
    assert main(["export", str(run), "--items", "csv", "--figures", "svg", "--out", str(tmp_path)]) == 0
    with (tmp_path / "items.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [c for c in cells if c.lstrip().startswith(("=", "+", "@", "\uff1d")) or "\x1b" in c or BIDI in c]
    for path in tmp_path.glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert "\x1b" not in text and BIDI not in text and "<b>" not in text
        assert not [e for e in ElementTree.fromstring(text).iter() if {"onload", "href"} & set(e.attrib)]


def test_figures_have_titles_and_legends_and_become_pdf(runs: dict[str, Path], tmp_path: Path) -> None:
    results = analyse(runs["planted"])
    drawn = {figure.name: figure.svg for figure in figures_of(results)}
    assert {"agreement", "differences"} <= set(drawn)
    words = {name: [e.text for e in ElementTree.fromstring(svg).iter() if e.text] for name, svg in drawn.items()}
    assert {"one", "gold", "s", "w", "speech", "accuracy, %", "5 dB"} <= set(words["accuracy-one"])
    for c in results.comparisons:
        assert f"{c.left} / {c.right}, {c.condition}" in words["agreement"]
    assert main(["export", str(runs["planted"]), "--figures", "pdf", "--out", str(tmp_path)]) == 0
    for name in drawn:
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_the_paragraph_holds_what_a_reader_must_know(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(runs["planted"]), "--methods"]) == 0
    (text,) = capsys.readouterr().out.splitlines()
    results: Results = analyse(runs["planted"])
    assert text == methods(results)
    for arm in results.arms:
        assert arm.name in text and (arm.llm is None or arm.llm.weights is None or arm.llm.weights[:12] in text)
    for part in (
        "one (40 items)", "two (30 items)", "seed 0", "±3 points", "0.05 below", "100 resamples", "n = 70",
        "1 primary verdict", "as controls under silence", "cascade-equivalence 0.1.0",
    ):  # fmt: skip
        assert part in text
