"""How long an MP3 is: its frames are counted, because the count in its tag may be missing or wrong.

Without a right tag decoders estimate the length from the first frame's bit rate and stop there.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

_BIT_RATES = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""kbit/s of layer III, by version of MPEG (2 stands for 2.5 too)."""
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_TAG_RATE = 9
"""Index of the bit rate of the tag's own frame: long enough for the tag in every version."""
_LOST = 1 << 16
"""Bytes without a frame after which the sound is over."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """MP3 data with a right tag. cut: what is missing of it, if anything is."""

    data: bytes
    frames: int
    cut: str | None = None


@dataclass(frozen=True, slots=True)
class _Frame:
    length: int
    samples: int
    tag_at: int


def is_mp3(head: bytes) -> bool:
    """Whether a file starts as an MP3 does."""
    return head[:3] == b"ID3" or _frame(head, 0) is not None


def tagged(stream: BinaryIO) -> Tagged | None:
    """The data of an MP3 with a tag that counts its frames; None where it has a right one already, or is none."""
    stream.seek(0)
    data = stream.read()
    start = _after_id3(data)
    at, first = _next(data, start)
    if first is None or _next(data, at + first.length)[0] != at + first.length:
        return None
    mark = data[at + first.tag_at : at + first.tag_at + 4]
    said = size = None
    begin = at
    if mark in (b"Xing", b"Info"):
        said, size = _tag(data, at + first.tag_at)
        begin = at + first.length
    frames, end = _count(data, begin)
    if size is not None and at + size > len(data) + 1:
        missing = 1 - (len(data) - at) / size
        return Tagged(data, frames, f"{missing:.0%} of its bytes are missing")
    if said is not None and abs(said - frames) <= 2:
        return None
    return Tagged(_new_tag(data, begin, frames, end - begin) + data[begin:end], frames)


def _after_id3(data: bytes) -> int:
    at = 0
    while data[at : at + 3] == b"ID3" and len(data) > at + 10:
        size = 0
        for byte in data[at + 6 : at + 10]:
            size = size << 7 | byte & 0x7F
        at += 10 + size + (10 if data[at + 5] & 0x10 else 0)
    return at


def _frame(data: bytes, at: int) -> _Frame | None:
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    rate_at, bits = head[2] >> 2 & 3, head[2] >> 4
    if version == 1 or layer != 1 or rate_at == 3 or bits in (0, 15):
        return None
    one = version == 3
    samples = 1152 if one else 576
    length = samples // 8 * _BIT_RATES[1 if one else 2][bits] * 1000 // _RATES[version][rate_at] + (head[2] >> 1 & 1)
    mono = head[3] >> 6 == 3
    return _Frame(length, samples, 4 + ((17 if mono else 32) if one else (9 if mono else 17)))


def _next(data: bytes, at: int) -> tuple[int, _Frame | None]:
    """The next frame and where it is, looked for where there is none."""
    for place in range(at, min(len(data), at + _LOST)):
        if data[place] == 0xFF and (found := _frame(data, place)):
            return place, found
    return len(data), None


def _count(data: bytes, at: int) -> tuple[int, int]:
    """Frames from a place on, and where the last one ends."""
    frames, end = 0, at
    while True:
        at, found = _next(data, at)
        if found is None or at + found.length > len(data):
            return frames, end
        # In what is no sound (a tag at the end) the sign of a frame may be there by chance.
        if at != end and _frame(data, at + found.length) is None:
            at += 1
            continue
        frames, at = frames + 1, at + found.length
        end = at


def _tag(data: bytes, at: int) -> tuple[int | None, int | None]:
    flags = int.from_bytes(data[at + 4 : at + 8], "big")
    frames = int.from_bytes(data[at + 8 : at + 12], "big") if flags & 1 else None
    place = at + (12 if flags & 1 else 8)
    return frames, int.from_bytes(data[place : place + 4], "big") if flags & 2 else None


def _new_tag(data: bytes, at: int, frames: int, size: int) -> bytes:
    found = _frame(data, at)
    assert found is not None
    head = bytes((data[at], data[at + 1] | 1, _TAG_RATE << 4 | data[at + 2] & 0x0C, data[at + 3]))
    own = _frame(head + bytes(4), 0)
    assert own is not None
    tag = io.BytesIO()
    tag.write(head + bytes(own.tag_at - 4) + b"Xing" + (3).to_bytes(4, "big"))
    tag.write(frames.to_bytes(4, "big") + (size + own.length).to_bytes(4, "big"))
    return tag.getvalue().ljust(own.length, b"\0")
