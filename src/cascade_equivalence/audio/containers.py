"""What a sound file's container promises against what a decoder found in it: libsndfile reads what it can and is
silent about the rest."""

from __future__ import annotations

import io
import mmap
import re
from pathlib import Path
from typing import Any

_SLACK = 64
"""Bytes by which a container may be off."""
_BEHIND_S = 0.1
"""Seconds that bytes behind the samples must make to be taken for sound that is left out."""
_PROMISE = re.compile(r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
_FRAMES = re.compile(r"Calculated frame count (\d+) does not match value from 'ds64' chunk of (\d+)")
_BEHIND = re.compile(r"Unknown chunk marker \(\w+\) at position (\d+)\. Exiting parser")
_DATA = re.compile(r"^\s*data\s*:\s*(\d+)", re.MULTILINE)
_LENGTH = re.compile(r"^Length\s*:\s*(\d+)", re.MULTILINE)
# What writes to a pipe cannot know its length and puts the largest number there.
_UNKNOWN = 0x7FFFF000
_NIST = re.compile(rb"sample_count -i (\d+)")
# How a file of each kind begins, long enough not to be met by chance.
_STARTS = {
    "FLAC": re.compile(rb"fLaC[\x00\x80]\x00\x00\x22"), "RF64": re.compile(rb"RF64.{4}WAVEds64", re.DOTALL),
    "AU": re.compile(rb"\.snd\x00\x00\x00.", re.DOTALL), "CAF": re.compile(rb"caff\x00\x01\x00\x00desc"),
    "W64": re.compile(rb"riff\x2e\x91\xcf\x11\xa5\xd6"),
}  # fmt: skip
_OGG_PAGE = re.compile(rb"OggS\x00([\x00-\x07])")
_FIRST_PAGE = 2


def why_damaged(file: Any) -> str | None:
    """What a decoder that has read a file left out of it in silence, in words; None where it left out nothing."""
    said = file.extra_info
    if file.format == "OGG" and "reports a hole" in said:
        return "pages in the middle of it are missing or broken"
    behind, data, length = _BEHIND.search(said), _DATA.search(said), _LENGTH.search(said)
    if file.format in ("WAV", "WAVEX") and behind and data and length and int(data.group(1)):
        rest = int(length.group(1)) - int(behind.group(1))
        seconds = rest * file.frames / int(data.group(1)) / file.samplerate
        if seconds > _BEHIND_S:
            return (
                f"its header says {file.frames / file.samplerate:.2f} s, and {rest} bytes that are no part of it "
                f"follow ({seconds:.2f} s if they are sound)"
            )
    return None


def broken_off(file: Any, path: Path) -> int | None:
    """Frames that the container promises, where a decoder may have found fewer; None where it promises none."""
    log, frames = file.extra_info, int(file.frames)
    for said, held in _PROMISE.findall(log):
        if int(held) + _SLACK < int(said) < _UNKNOWN:
            return frames + (int(said) - int(held)) * frames // max(int(held), 1) + 1
    for held, said in _FRAMES.findall(log):
        if int(held) < int(said) < _UNKNOWN:
            return int(said)
    if file.format == "NIST":
        with path.open("rb") as stream:
            found = _NIST.search(stream.read(1024))
        return int(found.group(1)) if found else None
    if file.format == "OGG" and not _has_last_page(path):
        return frames + 1
    known = ("FLAC", "WAV", "WAVEX", "AIFF", "CAF", "AU", "W64", "RF64", "OGG")
    return frames if file.format in known else None


def second_start(path: Path, form: str) -> int | None:
    """The byte at which a second file begins behind the first (`cat a b`), of which a decoder reads nothing."""
    mark = _STARTS.get(form)
    if mark is None and form != "OGG":
        return None
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if mark is not None:
            found = mark.search(data, 1)
            return found.start() if found else None
        inside = False
        for page in _OGG_PAGE.finditer(data):
            first = bool(page.group(1)[0] & _FIRST_PAGE)
            if first and inside:
                return page.start()
            inside = inside or not first
    return None


def _has_last_page(path: Path) -> bool:
    """Whether the last page of an Ogg file is marked as such, and whole."""
    with path.open("rb") as stream:
        stream.seek(0, io.SEEK_END)
        stream.seek(max(0, stream.tell() - (1 << 17)))
        end = stream.read()
    last = end.rfind(b"OggS")
    page = end[last:] if last >= 0 else b""
    if len(page) < 27 or not page[5] & 4:
        return False
    sizes = page[27 : 27 + page[26]]
    return len(page) >= 27 + page[26] + sum(sizes)
