"""Tables as files: read back by others they hold the report's own figures, and no name in them does anything."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade_equivalence.agreement import Interval
from cascade_equivalence.cli import main
from cascade_equivalence.report.table_files import FORMATS, csv_cell, csv_text, latex, tex, write_tables
from cascade_equivalence.report.tables import Table, tables_of
from cascade_equivalence.run.layout import JOURNAL
from cascade_equivalence.study.results import Results, analyse
from tests.shared_data import SHARED
from tests.study.planted import build, task

from .journals import Made, make_run

EARLIER = SHARED / "data/journal-0e4c615.sqlite"
LABELS = ["a", "b", "c", "d"]
HOSTILE = (
    "=HYPERLINK(1)",
    "+1",
    "-1+2",
    "@SUM(1)",
    "\tx",
    "\r=1",
    " =1",
    "\uff1d1",
    "a\x1b[31mb",
    "a\u202eb",
    'q",=1\n=2',
)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Results:
    def said(arm: str, name: str, condition: str, i: int) -> str:
        wrong = i % 20 in {"gold": (3,), "s": (3, 7), "w": (3, 9), "speech": (3, 7, 11)}[arm]
        return LABELS[(i + (wrong or (condition != "clean" and i % 3 == 0))) % 4]

    tasks = [task(name, LABELS, 40, conditions=["clean", "babble@0dB", "babble@5dB"]) for name in ("one", "two")]
    return build(tmp_path_factory.mktemp("planted"), tasks, said, resamples=50)


def test_every_estimate_of_a_study_is_read_back_from_csv_and_parquet(planted: Results, tmp_path: Path) -> None:
    tables = {table.name: table for table in tables_of(planted)}
    assert {"arms", "accuracies", "comparisons", "word_errors", "noise_drops", "reversals", "crossings"} <= set(tables)
    for form in ("csv", "parquet"):
        write_tables(list(tables.values()), form, tmp_path / form)
        read = {
            name: pandas.read_csv(tmp_path / form / f"{name}.csv", keep_default_na=False, na_values=[""])
            if form == "csv"
            else pandas.read_parquet(tmp_path / form / f"{name}.parquet")
            for name in tables
        }
        assert len(read["accuracies"]) == len(planted.cells)
        for cell in planted.cells:
            rows = read["accuracies"].query("task == @cell.task and condition == @cell.condition and arm == @cell.arm")
            row = rows.iloc[0]
            assert (row.accuracy, row.accuracy_low, row.accuracy_high) == (
                cell.accuracy.value, cell.accuracy.low, cell.accuracy.high,
            )  # fmt: skip
        assert len(read["comparisons"]) == len(planted.comparisons)
        for c in planted.comparisons:
            wanted = (c.task, c.condition, c.left, c.right)
            row = read["comparisons"].set_index(["task", "condition", "left", "right"]).loc[[wanted]].iloc[0]
            assert row.kappa == c.pair.kappa.value
            assert row.difference_low == c.pair.accuracy.difference.low
            assert (row.kind if isinstance(row.kind, str) else None) == (c.verdict.kind if c.verdict else None)
            if c.verdict:
                assert row.accuracy_part == c.verdict.accuracy.name
                assert row.answers_part == c.verdict.answers.name
                assert row.one_sided_gap_high == pytest.approx(c.verdict.answers.gap.high)


@pytest.mark.skipif(not EARLIER.is_file(), reason="the shared data are not here")
def test_a_real_run_gives_all_its_tables_in_all_formats(tmp_path: Path) -> None:
    shutil.copyfile(EARLIER, tmp_path / JOURNAL)
    for form in FORMATS:
        assert main(["export", str(tmp_path), "--tables", form]) == 0
    results = analyse(tmp_path)
    out = tmp_path / "tables"
    frames = [pandas.read_csv(out / "accuracies.csv"), pandas.read_parquet(out / "accuracies.parquet")]
    for frame in frames:
        assert sorted(frame.accuracy) == sorted(cell.accuracy.value for cell in results.cells)
    assert (out / "accuracies.tex").read_text(encoding="utf-8").count(r"\\") == len(results.cells) + 1


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_is_a_formula_or_a_control_in_a_spreadsheet(text: str) -> None:
    cell = csv_cell(text)
    assert cell.startswith("'") or text.startswith(("a", "q"))
    read = next(iter(csv.reader([*csv_text([text], []).splitlines(keepends=True)])))[0]
    assert "\x1b" not in cell + read
    assert "\u202e" not in cell + read


@given(st.text())
def test_a_cell_of_any_text_begins_no_formula_and_is_one_cell(text: str) -> None:
    cell = csv_cell(text)
    assert unicodedata.normalize("NFKC", cell.lstrip() or "x")[0] not in "=+-@"
    assert not any(
        unicodedata.category(c) in ("Cc", "Cs") or unicodedata.bidirectional(c) in BIDI for c in cell if c != "\n"
    )
    assert csv_cell(text + "") == cell


BIDI = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_stay_numbers(number: float) -> None:
    assert float(csv_cell(number)) == number


@given(st.text())
def test_in_latex_text_is_only_text(text: str) -> None:
    known = r"\\(?:textbackslash|textasciicircum|textasciitilde|textless|textgreater|textbar|textasciigrave|ldots)\{\}"
    rest = re.sub(
        rf"{known}|\\[{{}}$&#%_,]|\$(?:-|\\kappa|\\to|\\varepsilon|\\pm|\\le|\\ge)\$|\{{[\[\]]?\}}", "", tex(text)
    )
    assert not set(rest) & set("\\{}$&#%_^")
    assert not set(rest) - {"~"} & {"\n", "\r", "\t", "\x1b", "\u202e"}


def test_names_of_a_hostile_run_are_inert_in_every_file(tmp_path: Path) -> None:
    name = "=1+1\u202e\x1b[2J_&\\input{x}"
    made = make_run(tmp_path, Made(tasks={name: ("labels", ("=x", "@y"))}))
    for form in FORMATS:
        assert main(["export", str(made), "--tables", form, "--out", str(tmp_path / form)]) == 0
    for path in (*(tmp_path / "csv").iterdir(), *(tmp_path / "latex").iterdir()):
        text = path.read_text(encoding="utf-8")
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert r"\input{" not in text.replace(r"\textbackslash{}input\{", "") or path.suffix == ".csv"
    with (tmp_path / "csv/accuracies.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert any(cell.startswith("'=1+1") for cell in cells)
    assert not any(cell.startswith(("=", "@", "+")) for cell in cells)
    frame = pandas.read_parquet(tmp_path / "parquet/accuracies.parquet")
    assert set(frame.task) == {"=1+1??[2J_&\\input{x}"}


def test_a_table_of_a_paper_has_booktabs_rules_and_intervals(planted: Results) -> None:
    table = next(t for t in tables_of(planted) if t.name == "accuracies")
    text = latex(table)
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\caption{"):
        assert text.count(rule) == 1
    cell = planted.cells[0]
    middle, low, high = (f"{100 * x:.1f}" for x in (cell.accuracy.value, cell.accuracy.low, cell.accuracy.high))
    assert f"{middle} {{[}}{low}, {high}{{]}}" in text


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(planted: Results, tmp_path: Path) -> None:
    hostile = Table("hostile", "".join(map(chr, range(32, 127))), tables_of(planted)[1].columns, ())
    body = "".join(latex(table) for table in (*tables_of(planted), hostile))
    (tmp_path / "t.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}" + body + "\\end{document}", encoding="utf-8"
    )
    done = subprocess.run(
        ["pdflatex", "-no-shell-escape", "-halt-on-error", "t.tex"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_undefined_is_empty_null_and_a_dash() -> None:
    columns = tables_of_columns()
    table = Table("t", "T", columns, (("x", Interval(None)),))
    assert csv_text(*table.flat()).splitlines()[1] == "x,,,"
    assert "x & --" in latex(table)


def tables_of_columns() -> tuple:
    from cascade_equivalence.report.tables import Column

    return (Column("name"), Column("share", "percent", True))
