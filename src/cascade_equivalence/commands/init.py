"""`ceq init`: a folder of recordings and a table of labels become a manifest and a study."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HELP = "write a study of your own recordings, from a folder and a CSV file of labels"
EPILOG = """examples:
  ceq init calls --csv labels.csv --question "What does the caller want?"
  ceq init calls --csv labels.csv --out studies/calls      items.jsonl and study.yaml go there, not here
  ceq run study.yaml --dry-run                             then: what it will need, without asking any model

The CSV file has a row of headings. Columns:
  file (or path, audio)   the recording, relative to FOLDER: wav, flac, ogg, opus or mp3
  label                   the right answer; two different ones at least
  text                    optional: what is said; needed for the gold arm, word errors, examples and calibration
  id                      optional, unique; default: the file's name
  speaker, group          optional; group: recordings that belong together (a call), for the intervals
  split                   optional: test, shot (an example in the prompt) or dev (for calibration)

With text and without split, one in ten recordings of each label (2 to 5; none where a label has under 4) is kept out of
the test: the first is shown as an example, the others set the calibration. Texts of the rows of split shot and dev
alone are enough for these two. Nothing is overwritten."""

FILE = ("file", "path", "audio")
OPTIONAL = ("text", "id", "speaker", "group", "split")
MOST_NAMED = 5
HELD_OUT = (2, 5)
"""Recordings of a label that are kept out of the test, at least and at most: an example, and one for calibration."""
FEWEST = 4
"""Of each label, for any to be kept out: examples of some labels alone would speak for these."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder of the recordings")
    parser.add_argument("--csv", type=Path, required=True, metavar="FILE", help="their labels, one row a recording")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where to write (default: here)")
    parser.add_argument("--question", metavar="TEXT", help='what is asked of each recording ("Which dish is ordered?")')


def main(args: argparse.Namespace) -> int:
    """Check the table, then write both files."""
    import json

    from cascade_equivalence.errors import UsageError

    out: Path = args.out
    manifest, study = out / "items.jsonl", out / "study.yaml"
    if there := [str(path) for path in (manifest, study) if path.exists()]:
        raise UsageError(f"{' and '.join(there)} exists already; move it away, or name another directory with --out")
    rows = read_rows(args.folder, args.csv, out, args.question)
    spoken = all("text" in row for row in rows if _tested(row))
    out.mkdir(parents=True, exist_ok=True)
    manifest.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    study.write_text(_study(spoken), encoding="utf-8")
    print("\n".join(_summary(rows, manifest, study)))
    return 0


def read_rows(folder: Path, table: Path, out: Path, question: str | None) -> list[dict[str, str]]:
    """The rows of the manifest; paths of recordings start from `out`.

    Raises `UsageError` naming the row, column or files that are wrong, and the cure.
    """
    import os

    from cascade_equivalence.errors import UsageError

    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; give the one that holds the recordings")
    cells, column = _table(table)
    rows: list[dict[str, str]] = []
    missing: list[str] = []
    for number, row in cells:
        for name in (column, "label"):
            if not row[name]:
                raise UsageError(f"{table}, row {number}: '{name}' is empty; fill it in or take the row out")
        path = _recording(folder / row[column])
        if path is None:
            missing.append(f"{row[column]} (row {number})")
            continue
        place = Path(os.path.relpath(path.resolve(), out.resolve())).as_posix()
        kept = {key: row[key] for key in ("text", "label", "speaker", "group", "split") if row.get(key)}
        asked = {"question": question} if question else {}
        rows.append(
            {"id": row.get("id") or Path(row[column]).with_suffix("").as_posix(), "audio": place, **kept, **asked}
        )
    if missing:
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        raise UsageError(
            f"{len(missing)} of {len(cells)} recordings are not in {folder}: {', '.join(missing[:MOST_NAMED])}{more}; "
            f"'{column}' is a path from that folder, with its ending"
        )
    _check(table, rows, [number for number, _ in cells])
    return rows if any("split" in row for row in rows) else _split(rows)


def _table(table: Path) -> tuple[list[tuple[int, dict[str, str]]], str]:
    """Numbered rows of stripped cells, and the column of the files."""
    from cascade_equivalence.errors import UsageError
    from cascade_equivalence.logs.csv_table import csv_rows
    from cascade_equivalence.reading.text import opened

    try:
        with opened(table) as stream:
            rows = [(n, {k.lower(): str(v).strip() for k, v in row.items()}) for n, row in csv_rows(stream, str(table))]
    except OSError as error:
        raise UsageError(f"{table} cannot be read ({error.strerror or error})") from None
    if not rows:
        raise UsageError(f"{table} has no rows below its headings")
    columns = list(rows[0][1])
    files = [name for name in FILE if name in columns]
    valid = f"columns are file (or path, audio), label, and if wanted {', '.join(OPTIONAL)}"
    if len(files) != 1:
        raise UsageError(f"{table}: {'no' if not files else 'more than one'} column of files; {valid}")
    if "label" not in columns:
        raise UsageError(f"{table}: no column 'label'; {valid}")
    if unknown := [name for name in columns if name not in (files[0], "label", *OPTIONAL)]:
        raise UsageError(f"{table}: unknown column '{unknown[0]}'; {valid}")
    return rows, files[0]


def _recording(path: Path) -> Path | None:
    from cascade_equivalence.audio.sound_file import existing
    from cascade_equivalence.errors import AudioError

    try:
        return existing(path, "recording")
    except AudioError:
        return None


def _check(table: Path, rows: Sequence[Mapping[str, str]], numbers: Sequence[int]) -> None:
    """Raises where two rows have one id, labels are alike or all one, or some rows have a text and others none."""
    from collections import Counter

    from cascade_equivalence.errors import UsageError

    ids: dict[str, int] = {}
    labels: dict[str, str] = {}
    for number, row in zip(numbers, rows, strict=True):
        if ids.setdefault(row["id"], number) != number:
            raise UsageError(
                f"{table}, row {number}: id '{row['id']}' is row {ids[row['id']]}'s too; give each row its own 'id'"
            )
        first = labels.setdefault(row["label"].casefold(), row["label"])
        if first != row["label"]:
            raise UsageError(
                f"{table}, row {number}: label '{row['label']}' differs from '{first}' in case alone; write one of them"
            )
        if row.get("split", "test") not in ("test", "shot", "dev"):
            raise UsageError(f"{table}, row {number}: split '{row['split']}'; it is test, shot or dev")
    texts = {
        tested: [n for n, row in zip(numbers, rows, strict=True) if _tested(row) == tested and "text" not in row]
        for tested in (True, False)
    }
    counts = Counter(map(_tested, rows))
    mixed = any(0 < len(texts[part]) < counts[part] for part in texts)
    if mixed or (texts[False] and len(texts[True]) < counts[True]):
        least = min(number for part in texts.values() for number in part)
        raise UsageError(
            f"{table}, row {least}: no 'text'; fill all of them, those of split shot and dev alone, or none"
        )
    if len(labels) < 2:
        raise UsageError(f"{table}: every label is '{rows[0]['label']}'; a study needs two different labels at least")


def _split(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows; where they have texts, with examples and calibration chosen by the hash of the id."""
    import hashlib

    if "text" not in rows[0]:
        return rows
    by_label: dict[str, list[str]] = {}
    for row in rows:
        by_label.setdefault(row["label"], []).append(row["id"])
    if min(map(len, by_label.values())) < FEWEST:
        return rows
    split: dict[str, str] = {}
    least, most = HELD_OUT
    for ids in by_label.values():
        ids.sort(key=lambda one: hashlib.sha256(one.encode()).digest())
        held = ids[: min(max(len(ids) // 10, least), most)]
        split |= {one: "dev" if place else "shot" for place, one in enumerate(held)}
    return [row | {"split": split[row["id"]]} if row["id"] in split else row for row in rows]


def _tested(row: Mapping[str, str]) -> bool:
    return row.get("split", "test") == "test"


def _summary(rows: Sequence[Mapping[str, str]], manifest: Path, study: Path) -> list[str]:
    from collections import Counter

    tested = [row for row in rows if _tested(row)]
    labels = Counter(row["label"] for row in tested)
    held = Counter(row["split"] for row in rows if not _tested(row))
    lines = [
        f"{manifest}: {len(tested)} recordings to test on "
        f"({', '.join(f'{label} {count}' for label, count in labels.most_common())})"
        + (f"; kept out: {held['shot']} examples, {held['dev']} for calibration" if held else "")
    ]
    if not any("text" in row for row in rows):
        lines.append(
            "no column 'text': no gold arm, no word errors, no examples in the prompt, and label scores are not "
            "calibrated, so one label may win whatever is heard; texts of a few rows of split shot and dev prevent that"
        )
    elif not held:
        lines.append(
            f"under {FEWEST} recordings of a label: no examples in the prompt and no calibration; a column 'split' may "
            "say which recordings give these"
        )
    elif "text" not in tested[0]:
        lines.append("no texts of what is tested: no gold arm and no word errors")
    if len(tested) < 20:
        lines.append("under 20 recordings there is no verdict, only figures (ceq plan says how many are needed)")
    return [*lines, f"{study}: two cascades and a stand-in speech LLM; its comments say where yours goes", "next:",
            f"  ceq run {study} --dry-run", f"  ceq run {study}"]  # fmt: skip


def _study(spoken: bool) -> str:
    gold = "  gold: {transcript: gold, llm: llm}           # reads the true text\n" if spoken else ""
    return _STUDY.replace("  GOLD\n", gold)


_STUDY = """\
# A study of your own recordings. Every key: docs/studies.md. Start: ceq run study.yaml --limit 40
name: recordings
tasks:
  - {manifest: items.jsonl, name: recordings}
conditions: [clean]                            # add babble@5dB to see what noise does
models:                                        # embedded ones; a hub id or a directory will do as well
  llm: {id: smollm2-135m, prompt: plain}       # the LLM of your speech LLM; without prompt: for a large instruct model
  asr-s: {id: whisper-base}
  asr-w: {id: whisper-tiny.en}
  speech: {id: pocket-frames}                  # a small stand-in. YOUR SPEECH LLM GOES HERE, in one of these ways:
  # speech: {id: fixie-ai/ultravox-v0_6-llama-3_1-8b}                               a hub id
  # speech: {id: checkpoints/mine}                                                 a directory beside this file
  # speech: {endpoint: openai, url: "http://localhost:8000/v1", model: NAME}       a server (and answer: generate below)
  # speech: {predictions: answers.jsonl}                                           answers it gave elsewhere
  # or a Python object: docs/tutorial-speech-llm.md
arms:
  GOLD
  cascade-s: {asr: asr-s, llm: llm}            # two cascades: how far they agree is the ceiling
  cascade-w: {asr: asr-w, llm: llm}
  speech: {speech_llm: speech}
  # self-cascade: {asr: asr-s, llm: {of: speech}}      where the speech LLM's own language model is not `llm`
comparisons: matched
answer: labels                                 # generate: answers in words, for endpoints without label scores
seed: 0
"""
