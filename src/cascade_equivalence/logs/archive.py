"""Members of a zip archive, with a bound on what they unpack to."""

from __future__ import annotations

import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from ..errors import UsageError
from ..reading import json_text

MOST_MEMBER = 1 << 26
"""Bytes of one member."""
MOST_ALL = 1 << 28
"""Bytes of all members together, where that is more than `MOST_RATIO` times the archive."""
MOST_RATIO = 100

_ZSTANDARD = 93
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError, ValueError, RuntimeError,
    IndexError, OverflowError, AttributeError,
)  # fmt: skip


class Archive:
    """A zip archive held in memory. Every error is a UsageError that names file and member."""

    def __init__(self, data: bytes, path: str) -> None:
        self._data, self._path, self._given = data, path, 0
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            self._members = {i.filename: i for i in self._zip.infolist()}
        except _DAMAGED as error:
            raise UsageError(f"{path}: a damaged archive ({error}); is it an inspect_ai log, wholly written?") from None
        self._bound(sum(i.file_size for i in self._zip.infolist()))

    def _bound(self, whole: int) -> None:
        if whole > MOST_ALL and whole > MOST_RATIO * len(self._data):
            raise UsageError(
                f"{self._path}: {len(self._data) >> 10} kB that unpack to {whole >> 20} MB or more, which is not read; "
                "is it a log?"
            )

    def names(self, under: str) -> list[str]:
        """The members below a folder."""
        return [name for name in self._members if name.startswith(under)]

    def values(self, names: list[str]) -> Iterator[Any]:
        """The JSON value of each member."""
        for name in names:
            try:
                data = self._unpacked(self._members[name])
                # What the directory says may be a lie, and several of its entries the same bytes.
                self._given += len(data)
                self._bound(self._given)
                yield json_text.parse(data.decode("utf-8-sig"))
            except (UnicodeDecodeError, json.JSONDecodeError, *_DAMAGED) as error:
                raise UsageError(f"{self._path}: {name} cannot be read ({error})") from None

    def _unpacked(self, member: zipfile.ZipInfo) -> bytes:
        if member.file_size > MOST_MEMBER:
            raise ValueError(f"it unpacks to {member.file_size >> 20} MB, over the bound of {MOST_MEMBER >> 20} MB")
        if member.compress_type != _ZSTANDARD:
            with self._zip.open(member) as stream:
                return stream.read(MOST_MEMBER + 1)
        # Python's zipfile knows Zstandard only since 3.14, so the entry is cut out by hand: a local header of 30
        # bytes ends with the lengths of the name and of the extra field that stand before the data.
        start = member.header_offset
        header = self._data[start : start + 30]
        if header[:4] != b"PK\x03\x04" or len(header) < 30:
            raise ValueError("no local header where the directory says it is")
        start += 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        return self._unzstd(self._data[start : start + member.compress_size])

    def _unzstd(self, data: bytes) -> bytes:
        try:
            import zstandard
        except ImportError:
            raise UsageError(
                f"{self._path}: compressed with Zstandard; `pip install cascade-equivalence[inspect]` reads it, or "
                "convert it with `inspect log convert --to json`"
            ) from None
        try:
            # Its one-shot call believes the size that a frame states, whatever the bound.
            with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(io.BytesIO(data)) as stream:
                found = bytes(stream.read(MOST_MEMBER + 1))
        except (zstandard.ZstdError, MemoryError) as error:
            raise ValueError(str(error)) from None
        if len(found) > MOST_MEMBER:
            raise ValueError(f"it unpacks to more than {MOST_MEMBER >> 20} MB")
        return found
