"""Conditions: what is done to the audio, by name.

A condition is a chain of steps joined by `+`, applied from left to right: `reverb@0.6s+babble@5dB`. `clean` is the
chain without steps. A step is

    name[:kind][@value]

`kind` chooses among variants (`codec:opus`) or names the recordings to use, a file or a folder, relative to the study
file (`noise:sounds/kitchen@10dB`); a path cannot hold `+` or `@`. Values carry their unit, numbers no `+` sign; a
second value follows a comma (`reverb@0.6s,2m`). What each step does is told in `docs/conditions.md`; which ones
there are, with their ranges, is the table `FORMS`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cascade_equivalence.audio.recordings import Recordings, find_recordings
from cascade_equivalence.errors import UsageError

_STEP = re.compile(r"(?P<name>[a-z_-]+)(?::(?P<kind>[^@]+))?(?:@(?P<values>[^@]+))?")
_VALUE = re.compile(r"(?P<number>-?\d+(?:\.\d+)?)(?P<unit>[A-Za-z%]*)")


_NAMED = re.compile(r"(?P<name>[^=+:]+?) = (?P<chain>.+)")
CONTROLS = ("silence", "swap", "no-audio")


@dataclass(frozen=True, slots=True)
class Range:
    """A value of a step: its unit and the range it may have, ends included; `among` where only some will do."""

    unit: str
    low: float
    high: float
    among: tuple[float, ...] = ()

    def __str__(self) -> str:
        numbers = "|".join(f"{n:g}" for n in self.among) or f"{self.low:g}..{self.high:g}"
        return f"<{numbers}>{self.unit}"

    def holds(self, number: float) -> bool:
        """Whether the number may be used."""
        return number in self.among if self.among else self.low <= number <= self.high


@dataclass(frozen=True, slots=True)
class Form:
    """How a step is written. kind: a word, `path` for recordings, or None. Values from `needed` on may be left out."""

    name: str
    kind: str | None = None
    values: tuple[Range, ...] = ()
    needed: int = 1

    def __str__(self) -> str:
        kind = {None: "", "path": ":<file or folder>"}.get(self.kind, f":{self.kind}")
        values = ""
        for index, value in enumerate(self.values):
            text = ("," if index else "@") + str(value)
            values += text if index < self.needed else f"[{text}]"
        return self.name + kind + values


_SNR = Range("dB", -40, 60)
_MP3 = (16.0, 24.0, 32.0, 40.0, 48.0, 56.0, 64.0, 80.0, 96.0, 112.0, 128.0, 160.0)

FORMS = (
    Form("clean"),
    Form("babble", None, (_SNR,)),
    Form("babble", "path", (_SNR,)),
    Form("noise", "white", (_SNR,)),
    Form("noise", "pink", (_SNR,)),
    Form("noise", "brown", (_SNR,)),
    Form("noise", "path", (_SNR,)),
    Form("reverb", None, (Range("s", 0.2, 1.2), Range("m", 0.3, 4))),
    Form("reverb", "path"),
    Form("far_field", None, (Range("m", 0.3, 4),)),
    Form("codec", "opus", (Range("k", 6, 128),)),
    Form("codec", "mp3", (Range("k", 16, 160, _MP3),)),
    Form("codec", "ulaw"),
    Form("codec", "gsm"),
    Form("narrowband"),
    Form("packet_loss", None, (Range("%", 0, 100),)),
    Form("packet_loss", "concealed", (Range("%", 0, 100),)),
    Form("clip", None, (Range("dB", 0, 60),)),
    Form("gain", None, (Range("dB", -60, 60),)),
    Form("speed", None, (Range("", 0.5, 2),)),
    Form("shift", None, (Range("ms", 0, 1000),)),
    Form("silence"),
    Form("swap"),
    Form("no-audio"),
)
"""Every way to write a step."""

NOISE = ("babble", "noise", "far_field")
"""Steps that add noise at a level, for which there must be speech."""


@dataclass(frozen=True, slots=True)
class Step:
    """One degradation with its parameters, e.g. babble at 5 (dB). `recordings` where its kind is a path."""

    name: str
    kind: str | None = None
    values: tuple[float, ...] = ()
    recordings: Recordings | None = None

    @property
    def value(self) -> float | None:
        """The first value."""
        return self.values[0] if self.values else None

    @property
    def recipe(self) -> tuple[str, ...]:
        """What the step is, recordings by their content: equal recipes do the same to the same clip."""
        kind = self.recordings.sha256 if self.recordings else self.kind
        return (self.name, *([kind] if kind else []), *(repr(value) for value in self.values))


@dataclass(frozen=True, slots=True)
class Condition:
    """A named chain of steps; `clean` has none."""

    name: str
    steps: tuple[Step, ...]

    @property
    def recipe(self) -> tuple[tuple[str, ...], ...]:
        """What is done, recordings by their content."""
        return tuple(step.recipe for step in self.steps)

    def has(self, step: str) -> bool:
        """Whether a step of that name is in the chain."""
        return any(found.name == step for found in self.steps)


def parse_condition(text: str, base: Path | None = None) -> Condition:
    """Read a condition: a chain, or `name = chain`; paths start from `base` (default: here) and are in no name.

    Raises `UsageError` listing the valid steps, units and ranges.
    """
    if named := _NAMED.fullmatch(text.strip()):
        return _called(named["name"], parse_condition(named["chain"], base), base)
    parts = [part.strip() for part in text.split("+")]
    steps = [_step(text, part, base or Path()) for part in parts]
    if "no-audio" in parts and len(parts) > 1:
        raise UsageError(f"condition '{text}': 'no-audio' stands alone, there is nothing to do to no sound")
    if "swap" in parts[1:]:
        raise UsageError(f"condition '{text}': 'swap' comes first; what follows is done to the other item's sound")
    if "silence" in parts and (noise := [s.name for s in steps[parts.index("silence") :] if s.name in NOISE]):
        raise UsageError(
            f"condition '{text}': after 'silence' there is no speech that '{noise[0]}' could have an SNR to"
        )
    name = "+".join(_pathless(part, step) for part, step in zip(parts, steps, strict=True))
    return Condition(name, tuple(step for step in steps if step.name != "clean"))


def named(name: str, chain: str) -> str:
    """A chain with a name of its own, as `parse_condition` reads it. Raises `UsageError` for what is no name."""
    text = f"{name} = {chain}"
    if set(name) & set("=+:") or not name.strip() or len(name) > 40:
        raise UsageError(f"condition name '{name[:60]}': at most 40 characters, and none of = + :")
    return text


def _called(name: str, chain: Condition, base: Path | None) -> Condition:
    if control := [step.name for step in chain.steps if step.name in CONTROLS]:
        raise UsageError(
            f"condition '{name}': '{control[0]}' is a control and keeps its own name; write '{chain.name}'"
        )
    try:
        other = parse_condition(name, base)
    except UsageError:
        return Condition(name, chain.steps)
    if other.recipe != chain.recipe:
        raise UsageError(f"condition '{name}': '{name}' is another condition's name; give '{chain.name}' its own")
    return other


def _pathless(part: str, step: Step) -> str:
    """A step as tables show it: recordings by the name of their file or folder."""
    if step.recordings is None:
        return part
    head, _, rest = part.partition(":")
    path, at, values = rest.partition("@")
    return f"{head}:{Path(path).stem}{at}{values}"


def _step(text: str, part: str, base: Path) -> Step:
    match = _STEP.fullmatch(part)
    forms = [form for form in FORMS if match and form.name == match["name"]]
    if not match or not forms:
        raise UsageError(f"condition '{text}': no step '{part}'; there are: {_list(FORMS)}")
    by_kind: Mapping[str | None, Form] = {form.kind: form for form in forms}
    form = by_kind.get(match["kind"]) if match["kind"] != "path" else None
    recordings = None
    if form is None and match["kind"] and "path" in by_kind:
        form = by_kind["path"]
        path = base / match["kind"]
        if not path.exists():
            raise UsageError(f"condition '{text}': no file or folder {path}; write {_list(forms)}")
        recordings = find_recordings(path)
    if form is None:
        raise UsageError(f"condition '{text}': write {_list(forms)}")
    given = [_VALUE.fullmatch(value.strip()) for value in match["values"].split(",")] if match["values"] else []
    fits = min(form.needed, len(form.values)) <= len(given) <= len(form.values)
    if not fits or any(v is None or v["unit"] != r.unit for v, r in zip(given, form.values, strict=False)):
        raise UsageError(f"condition '{text}': write {form}")
    numbers = tuple(float(value["number"]) for value in given if value)
    for number, allowed in zip(numbers, form.values, strict=False):
        if not allowed.holds(number):
            raise UsageError(f"condition '{text}': {number:g}{allowed.unit} is out of range; write {form}")
    return Step(form.name, match["kind"] if form.kind != "path" else None, numbers, recordings)


def _list(forms: tuple[Form, ...] | list[Form]) -> str:
    return ", ".join(map(str, forms))
