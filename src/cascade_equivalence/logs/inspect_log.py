"""inspect_ai logs: the zip archive `.eval` and the JSON form."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from ..errors import UsageError
from .predictions import Predictions, checked
from .rows import Wanted
from .values import MISSING, field, keys, label

_ZSTANDARD = 93


def is_inspect(document: Any) -> bool:
    """Does a parsed JSON document look like an inspect_ai log?"""
    return isinstance(document, Mapping) and "eval" in document and "samples" in document


def from_archive(data: bytes, path: str, wanted: Wanted) -> Predictions:
    """The bytes of an `.eval` file → predictions."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = [i for i in archive.infolist() if i.filename.startswith("samples/")]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise UsageError(f"{path}: a damaged archive ({error}); is it an inspect_ai log, wholly written?") from None
    if not entries:
        raise UsageError(f"{path}: no samples/ in the archive, so it is no inspect_ai log (or none was finished)")

    def samples() -> Iterator[Mapping[str, Any]]:
        for entry in entries:
            try:
                yield json.loads(_read(archive, entry, io.BytesIO(data), path))
            except (ValueError, RuntimeError, OSError, zipfile.BadZipFile) as error:
                raise UsageError(f"{path}: {entry.filename} cannot be read ({error})") from None

    return from_samples(samples(), path, wanted)


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, stream: BinaryIO, path: str) -> bytes:
    if entry.compress_type != _ZSTANDARD:
        return archive.read(entry)
    # Python's zipfile knows Zstandard only since 3.14, so the entry is cut out by hand: a local header of 30
    # bytes ends with the lengths of the name and of the extra field that stand before the data.
    stream.seek(entry.header_offset)
    header = stream.read(30)
    if header[:4] != b"PK\x03\x04":
        raise ValueError("no local header where the directory says it is")
    skip = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    stream.seek(skip, io.SEEK_CUR)
    return _unzstd(stream.read(entry.compress_size), entry.file_size, path)


def _unzstd(data: bytes, size: int, path: str) -> bytes:
    try:
        import zstandard
    except ImportError:
        raise UsageError(
            f"{path}: compressed with Zstandard; `pip install cascade-equivalence[inspect]` reads it, or "
            "convert it with `inspect log convert --to json`"
        ) from None
    try:
        return bytes(zstandard.ZstdDecompressor().decompress(data, max_output_size=size))
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None


def from_samples(samples: Iterator[Mapping[str, Any]], path: str, wanted: Wanted) -> Predictions:
    """inspect_ai samples → predictions: the first scorer's answer, `target` as gold.

    An item answered in several epochs stays apart per epoch, its epochs forming one group. A sample that
    failed (no scores) is INVALID.
    """
    kept: list[tuple[str, Any, Any, Any]] = []
    scorers: dict[str, None] = {}
    for sample in samples:
        if not isinstance(sample, Mapping) or "id" not in sample:
            raise UsageError(f"{path}: a sample without id, so this is no inspect_ai log")
        scores = sample.get("scores") or {}
        scorers.update(dict.fromkeys(scores))
        if wanted.prediction is not None:
            answer = field(sample, wanted.prediction)
            if answer is MISSING:
                raise UsageError(
                    f"{path}, sample {sample['id']}: no field {wanted.prediction!r}; the scores have: "
                    f"{', '.join('scores.' + k for k in keys(scores)) or 'nothing'}"
                )
        else:
            answer = next((s.get("answer") for s in scores.values()), None)
        gold = field(sample, wanted.gold) if wanted.gold else sample.get("target", MISSING)
        kept.append((str(sample["id"]), sample.get("epoch", 1), answer, gold))
    if not kept:
        raise UsageError(f"{path}: no predictions in it")
    if wanted.prediction is None and all(answer is None for _, _, answer, _ in kept):
        raise UsageError(
            f"{path}: no scorer recorded an answer; name a field with --left-key / --right-key, for example "
            f"scores.{next(iter(scorers), 'NAME')}.value"
        )
    notes = []
    if len(scorers) > 1 and wanted.prediction is None:
        notes.append(f"several scorers ({', '.join(scorers)}): the answer of the first is read")
    repeated = len({epoch for _, epoch, _, _ in kept}) > 1
    golds = [None if (isinstance(g, list) and len(g) != 1) or g is MISSING else g for _, _, _, g in kept]
    return checked(
        Predictions(
            path=path,
            format="inspect",
            ids=[f"{i}#{epoch}" if repeated else i for i, epoch, _, _ in kept],
            predictions=[label(answer, f"{path}, sample {i}") for i, _, answer, _ in kept],
            gold=[label(g, f"{path}, target") for g in golds] if any(g is not None for g in golds) else None,
            groups=[i for i, _, _, _ in kept] if repeated else None,
            notes=tuple(notes),
        )
    )
