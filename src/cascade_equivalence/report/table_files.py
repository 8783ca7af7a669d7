"""Tables as files: CSV, Parquet, LaTeX. A name in them is text wherever they are opened."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from cascade_equivalence.agreement import Interval
from cascade_equivalence.errors import UsageError
from cascade_equivalence.reading.terminal import plain, plain_lines
from cascade_equivalence.report import numbers
from cascade_equivalence.report.tables import Column, Kind, Table, Value
from cascade_equivalence.whole import whole

Format = Literal["csv", "parquet", "latex"]
FORMATS: tuple[Format, ...] = ("csv", "parquet", "latex")

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula, full-width forms included (OWASP, CSV injection)."""


def write_tables(tables: Sequence[Table], form: Format, out: Path) -> list[Path]:
    """Write each table as a file of its own: `NAME.csv`, `NAME.parquet` or `NAME.tex`. Raises `UsageError` for Parquet
    without pyarrow."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for table in tables:
        path = out / f"{table.name}.{'tex' if form == 'latex' else form}"
        with whole(path) as part:
            if form == "parquet":
                names, rows = table.flat()
                write_parquet(part, names, table.kinds(), rows)
            else:
                text = csv_text(*table.flat()) if form == "csv" else latex(table)
                part.write_text(text, encoding="utf-8", newline="")
        written.append(path)
    return written


def csv_text(names: Sequence[str], rows: Sequence[Sequence[Value]]) -> str:
    """RFC 4180; undefined is an empty cell. No text begins a formula (`'` is put before it) or has control or
    bidirectional characters but line feeds."""
    out = StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([csv_cell(name) for name in names])
    writer.writerows([csv_cell(value) for value in row] for row in rows)
    return out.getvalue()


def csv_cell(value: Value) -> str:
    """One value; numbers in full, truth as `true` and `false`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    # White space before it does not keep a spreadsheet from seeing a formula.
    formula = value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA)
    return ("'" if formula else "") + plain_lines(value)


def arrow() -> tuple[Any, Any]:
    """pyarrow and its Parquet module; raises `UsageError` where it is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError("Parquet needs pyarrow: pip install 'cascade-equivalence[parquet]'") from None
    return pa, pq


def write_parquet(path: Path, names: Sequence[str], kinds: Sequence[Kind], rows: Sequence[Sequence[Value]]) -> None:
    """Typed columns, undefined being null; control and bidirectional characters in text as `?`."""
    pa, pq = arrow()
    columns = {
        name: parquet_column([row[i] for row in rows], kind)
        for i, (name, kind) in enumerate(zip(names, kinds, strict=True))
    }
    pq.write_table(pa.table(columns), path)


def parquet_column(values: Sequence[Value], kind: Kind) -> Any:
    """The column of a Parquet file that holds these values."""
    pa, _ = arrow()
    if kind == "text":
        return pa.array([None if v is None else plain_lines(v) for v in values], pa.string())
    if kind == "flag":
        return pa.array(values, pa.bool_())
    whole = kind == "number" and all(v is None or isinstance(v, int) for v in values)
    return pa.array(values, pa.int64() if whole and any(v is not None for v in values) else pa.float64())


def latex(table: Table) -> str:
    """A `table` with booktabs rules: the columns that a paper shows, estimates with their intervals."""
    shown = [(i, column) for i, column in enumerate(table.columns) if column.paper]
    layout = "".join("l" if column.kind in ("text", "flag") else "r" for _, column in shown)
    heads = " & ".join(_tex_head(column) for _, column in shown)
    body = "".join(" & ".join(_tex_value(row[i], column) for i, column in shown) + " \\\\\n" for row in table.rows)
    caption = f"{table.title}." + (f" {table.note}" if table.note else "")
    return (
        "% needs \\usepackage{booktabs}\n"
        f"\\begin{{table}}\n\\centering\n\\caption{{{tex(caption)}}}\n\\label{{tab:{table.name.replace('_', '-')}}}\n"
        f"\\begin{{tabular}}{{{layout}}}\n\\toprule\n{heads} \\\\\n\\midrule\n{body}\\bottomrule\n\\end{{tabular}}\n"
        "\\end{table}\n"
    )


_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "`": r"\textasciigrave{}", "[": "{[}", "]": "{]}",
    "−": "$-$", "–": "--", "—": "---", "κ": r"$\kappa$", "→": r"$\to$", "ε": r"$\varepsilon$", "±": r"$\pm$",
    "\N{NARROW NO-BREAK SPACE}": r"\,", "\N{NO-BREAK SPACE}": "~", "“": "``", "”": "''", "≤": r"$\le$", "≥": r"$\ge$",
    "′": "'", "…": r"\ldots{}",
}  # fmt: skip


def tex(text: object) -> str:
    """Text that LaTeX sets as it stands; control and bidirectional characters as `?`.

    Letters beyond the Latin ones need a Unicode engine.
    """
    out, before = [], ""
    for character in plain(text):
        # Two in a row would be one other sign: -- is a dash, '' a quotation mark.
        out.append("{}" if character == before and character in "-',<>" else "")
        out.append(_TEX.get(character, character))
        before = character
    return "".join(out)


def _tex_head(column: Column) -> str:
    name = "κ" + column.name.removeprefix("kappa") if column.name.startswith("kappa") else column.name
    unit = {"percent": ", %", "points": ", points"}.get(column.kind, "")
    return tex(name.replace("_", " ") + unit)


def _tex_value(value: Value | Interval, column: Column) -> str:
    if isinstance(value, Interval):
        middle = _number(value.value, column.kind)
        if value.low is None and value.high is None:
            return tex(middle)
        limits = f"[{_number(value.low, column.kind)}, {_number(value.high, column.kind)}]"
        return tex(f"{middle} {limits}")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        # A hash is known by its beginning; all of it is wider than a page.
        return tex(numbers.fingerprint(value) if column.name == "weights" else value)
    return tex(_number(value, column.kind))


def _number(value: float | None, kind: Kind) -> str:
    if value is None:
        return numbers.UNDEFINED
    if kind == "number":
        return str(value) if isinstance(value, int) else numbers.level(value)
    write = {
        "percent": numbers.percent, "points": numbers.points, "coefficient": numbers.coefficient,
        "p": numbers.p_value, "seconds": numbers.seconds,
    }[kind]  # fmt: skip
    return write(value)
