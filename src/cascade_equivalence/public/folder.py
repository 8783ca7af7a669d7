"""A data set from a local folder: Parquet as on the hub, or its makers' own files, read into the same rows."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cascade_equivalence.errors import UsageError
from cascade_equivalence.public.hub import DataError, split_files
from cascade_equivalence.public.sets import PublicSet

Row = dict[str, Any]

_CLIPS = (".wav", ".flac", ".ogg", ".mp3", ".mp4")


def parquet_in(chosen: PublicSet, folder: Path) -> tuple[Path, ...]:
    """The folder's Parquet files of the set's split; empty if there is no Parquet at all. Raises `UsageError`."""
    if not folder.is_dir():
        raise UsageError(f"{chosen.name}: path '{folder}' is not a folder")
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet"))
    if not names:
        return ()
    if len(names) == 1:
        return (folder / names[0],)
    return tuple(folder / name for name in split_files(chosen.hub, names))


def own_rows(chosen: PublicSet, folder: Path) -> Iterator[Row]:
    """The rows of the makers' own files, under the names of the hub's columns. Raises `UsageError` naming the files."""
    if chosen.name not in _OWN:
        raise UsageError(f"{chosen.name}: no Parquet file in {folder}; put the hub's files of the data set there")
    patterns, read = _OWN[chosen.name]
    for pattern in patterns:
        if found := sorted(folder.rglob(pattern)):
            return _guarded(chosen, found[0], read)
    raise UsageError(f"{chosen.name}: in {folder} there is neither Parquet nor {' or '.join(patterns)}")


def digest(folder: Path) -> str:
    """Hash of the folder's files by name, size and time of change: tells that it is another state of it."""
    state = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            status = path.stat()
            state.update(f"{path.relative_to(folder)}\x1f{status.st_size}\x1f{status.st_mtime_ns}\n".encode())
    return state.hexdigest()


def decoded(path: Path) -> bytes:
    """The file's bytes, or those of a WAV that ffmpeg makes of a film's sound. Raises `DataError` without ffmpeg."""
    if path.suffix.lower() != ".mp4":
        return path.read_bytes()
    if shutil.which("ffmpeg") is None:
        raise DataError(
            f"{path}: the sound of a film needs ffmpeg, which is not installed; install it, or convert the clips "
            "to WAV (ffmpeg -i x.mp4 -ac 1 -ar 16000 x.wav)"
        )
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-vn", "-ac", "1", "-ar", "16000", "-f", "wav", "-"]
    return subprocess.run(command, capture_output=True, check=False).stdout


def _guarded(chosen: PublicSet, path: Path, read: Callable[[Path], Iterator[Row]]) -> Iterator[Row]:
    try:
        yield from read(path)
    except (KeyError, ValueError, TypeError, IndexError, csv.Error) as error:
        raise UsageError(f"{chosen.name}: {path} has another layout than its makers' ({error!r})") from None


def _news(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        for number, (label, title, body) in enumerate(csv.reader(file)):
            if number == 0 and not label.isdigit():
                continue
            yield {"text": f"{title} {body}", "label": int(label) - 1}


def _review(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)):
            yield {"idx": number, "sentence": row["sentence"], "label": int(row["label"])}


def _commonsense(path: Path) -> Iterator[Row]:
    for row in _jsonl(path):
        choices = row["question"]["choices"]
        yield {
            "id": row["id"],
            "question": row["question"]["stem"],
            "question_concept": row["question"].get("question_concept"),
            "choices": {"label": [c["label"] for c in choices], "text": [c["text"] for c in choices]},
            "answerKey": row["answerKey"],
        }


def _trivia(path: Path) -> Iterator[Row]:
    for row in json.loads(path.read_text(encoding="utf-8"))["Data"]:
        answer = row["Answer"]
        yield {
            "question": row["Question"],
            "question_id": row["QuestionId"],
            "answer": {
                "value": answer["Value"],
                "aliases": answer["Aliases"],
                "normalized_aliases": answer["NormalizedAliases"],
            },
        }


def _dialogue(path: Path) -> Iterator[Row]:
    clips = _clips(path.parent)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            name = f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"
            numbers = {key: int(row[key]) for key in ("Dialogue_ID", "Utterance_ID", "Season", "Episode")}
            yield {**row, **numbers, "audio": _clip(clips, name)}


def _sarcasm(path: Path) -> Iterator[Row]:
    clips = _clips(path.parent if any(path.parent.rglob("*_*.*")) else path.parent.parent)
    for name, row in json.loads(path.read_text(encoding="utf-8")).items():
        yield {
            "file": f"{name}.wav",
            "utterance": row["utterance"],
            "speaker": row["speaker"],
            "context": row["context"],
            "context_speakers": row["context_speakers"],
            "show": row["show"],
            "label": row["sarcasm"],
            "audio": _clip(clips, name),
        }


def _clips(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.rglob("*")) if path.suffix.lower() in _CLIPS}


def _clip(clips: dict[str, Path], name: str) -> dict[str, Any]:
    # A clip that is missing is excluded and listed, as one that cannot be decoded.
    return {"bytes": decoded(clips[name]) if name in clips else b"", "path": name}


def _jsonl(path: Path) -> Iterator[Row]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield json.loads(line)


_OWN: dict[str, tuple[tuple[str, ...], Callable[[Path], Iterator[Row]]]] = {
    "ag_news": (("test.csv",), _news),
    "sst2": (("dev.tsv",), _review),
    "commonsenseqa": (("dev_rand_split.jsonl",), _commonsense),
    "triviaqa": (("unfiltered-web-dev.json", "web-dev.json", "wikipedia-dev.json"), _trivia),
    "meld": (("test_sent_emo.csv",), _dialogue),
    "mustard": (("sarcasm_data.json",), _sarcasm),
}
"""Name → file names of the makers' release, and their reader."""
