"""Bytes of a file as text: UTF-8, or UTF-16 where its mark says so; gzip unpacked; nothing without a bound."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..errors import UsageError

MOST_UNPACKED = 1 << 30
"""Bytes that a compressed file may unpack to."""
MOST_RATIO = 100
"""The same as a multiple of the file, from `LEAST_BOUNDED` bytes on: text shrinks to a tenth."""
LEAST_BOUNDED = 1 << 26
MOST_LINE = 1 << 26
"""Bytes of one line."""

LFS_POINTER = b"version https://git-lfs."
"""What stands in a file that `git lfs` did not fetch begins so."""

_GZIP = b"\x1f\x8b"
_OTHER_PACKING = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "Zstandard", b"7z\xbc\xaf": "7-Zip"}
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def opened(path: Path) -> io.BufferedReader:
    """A file's bytes from the start, unpacked if gzip packed them. Raises UsageError on other packings."""
    stream = path.open("rb")
    try:
        head = stream.read(8)
        for mark, tool in _OTHER_PACKING.items():
            if head.startswith(mark):
                raise UsageError(f"{path}: compressed with {tool}; unpack it first")
        if head.startswith(_UTF32):
            raise UsageError(f"{path}: text in UTF-32; save it as UTF-8")
        rest = _Again(head, stream)
        return io.BufferedReader(_Gunzipped(rest, path) if head.startswith(_GZIP) else rest, 1 << 16)
    except BaseException:
        stream.close()
        raise


class _Again(io.RawIOBase):
    """What was read already, then the rest: a pipe cannot be wound back."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head, self._stream = head, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        # All that is asked for, so that one look at the start sees more than what was read already.
        found = self._head[: len(buffer)]
        self._head = self._head[len(buffer) :]
        found += self._stream.read(len(buffer) - len(found))
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Gunzipped(io.RawIOBase):
    def __init__(self, packed: io.RawIOBase, path: Path) -> None:
        self._file = gzip.GzipFile(fileobj=io.BufferedReader(packed))
        self._path, self._given = path, 0
        size = path.stat().st_size if path.is_file() else MOST_UNPACKED
        self._most = min(MOST_UNPACKED, max(LEAST_BOUNDED, MOST_RATIO * size))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            found = self._file.read(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise UsageError(f"{self._path}: damaged gzip data ({error}); fetch or pack it again") from None
        self._given += len(found)
        if self._given > self._most:
            raise UsageError(
                f"{self._path}: unpacks to more than {self._most >> 20} MB, which is not read; is it a log?"
            )
        buffer[: len(found)] = found
        return len(found)


def lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    """Numbered lines from 1, without their end. Only \\n ends a line (a \\r before it goes with it): U+2028, U+0085 and
    form feeds are text. Raises UsageError on lines over 64 MB and on bytes that are not UTF-8 (or marked UTF-16).
    """
    first = stream.readline(MOST_LINE + 1)
    if first[:2] in _UTF16:
        text = decoded(first + bounded(stream, name, 4 * MOST_LINE), name)
        for number, line in enumerate(text.split("\n"), 1):
            yield number, line.removesuffix("\r")
        return
    number, raw = 1, first.removeprefix(codecs.BOM_UTF8)
    while raw or number == 1:
        if len(raw) > MOST_LINE:
            raise UsageError(f"{name}, line {number}: longer than {MOST_LINE >> 20} MB")
        try:
            yield number, raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise UsageError(f"{name}, line {number}: neither text (UTF-8) nor a known binary format") from None
        number, raw = number + 1, stream.readline(MOST_LINE + 1)


def bounded(stream: BinaryIO, name: str, most: int) -> bytes:
    """All bytes of a stream. Raises UsageError where there are more than `most`."""
    data = stream.read(most + 1)
    if len(data) > most:
        raise UsageError(f"{name}: more than {most >> 20} MB, which is not read as one document")
    return data


def decoded(data: bytes, name: str) -> str:
    """Bytes as text. Raises UsageError on what is neither UTF-8 nor UTF-16 with its mark."""
    try:
        return data.decode(_UTF16.get(data[:2], "utf-8-sig"))
    except UnicodeDecodeError:
        raise UsageError(f"{name}: neither text (UTF-8) nor a known binary format; save it as UTF-8") from None
