"""Two runs side by side: what changed in the study, and what came of it on the items that both have answered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from cascade_equivalence.agreement import Interval, compare
from cascade_equivalence.study.answers import AnswerRow
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.groups import POOLED
from cascade_equivalence.study.records import Identity, ItemRecord, TaskRecord
from cascade_equivalence.study.results import Results
from cascade_equivalence.tasks.parsing import INVALID

Kind = Literal["gained", "lost", "other"]
"""A flip: wrong to right, right to wrong, or from one label to another that is neither."""


_HASH = re.compile("[0-9a-f]{64}")
"""A fingerprint; twelve digits tell two of them apart, as in the report."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One thing that the two studies have differently."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Flip:
    """An item that an arm answered with another label."""

    task: str
    condition: str
    arm: str
    item: str
    before: str
    after: str
    gold: str | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class ArmBetween:
    """One arm on one task (or POOLED) and condition, in both runs on the same n items.

    difference: accuracy after − before, paired, Tango's interval; kappa: of its labels before with those after. gained,
    lost, other: flips of each kind. other_sound: items whose recording is not the same sound in both.
    """

    task: str
    condition: str
    arm: str
    n: int
    before: Interval
    after: Interval
    difference: Interval
    kappa: Interval
    gained: int
    lost: int
    other: int
    other_sound: int


@dataclass(frozen=True, slots=True)
class VerdictBetween:
    """A comparison that both runs judged: what was said of it (kinds, None where there is no verdict)."""

    task: str
    condition: str
    left: str
    right: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Between:
    """changed: in the study; arms: paired figures; flips: item by item; verdicts: of comparisons in both.

    left_out: items that both have under one name but with other words or labels.
    """

    changed: tuple[Changed, ...]
    arms: tuple[ArmBetween, ...]
    flips: tuple[Flip, ...]
    verdicts: tuple[VerdictBetween, ...]
    left_out: int


def between(before: Results, after: Results) -> Between:
    """What changed from one run to another. Arms, tasks and items are the same where their names are."""
    old = {(r.task, r.condition, r.arm, r.item): r for r in before.answers()}
    rows: dict[tuple[str, str, str], list[tuple[AnswerRow, AnswerRow, bool]]] = {}
    tasks = {t.name: (a, t) for t in after.tasks for a in before.tasks if a.name == t.name and a.open == t.open}
    items = {name: (_by_id(a), _by_id(b)) for name, (a, b) in tasks.items()}
    unlike = {
        (name, key)
        for name, (a, b) in items.items()
        for key in a.keys() & b.keys()
        if (a[key].text, a[key].accepted, a[key].choices) != (b[key].text, b[key].accepted, b[key].choices)
    }
    for new in after.answers():
        was = old.get((new.task, new.condition, new.arm, new.item))
        if was is not None and new.task in tasks and (new.task, new.item) not in unlike:
            rows.setdefault((new.task, new.condition, new.arm), []).append((was, new, tasks[new.task][1].open))
    pooled = {name for name, (a, b) in tasks.items() if a.pools and b.pools}
    for (task, condition, arm), found in list(rows.items()) if len(pooled) > 1 else []:
        if task in pooled and all((name, condition, arm) in rows for name in pooled):
            rows.setdefault((POOLED, condition, arm), []).extend(found)
    seed, resamples = after.study.seed, after.study.resamples
    return Between(
        changed=tuple(_changed(before, after)),
        arms=tuple(_arm(key, found, seed, resamples) for key, found in rows.items()),
        flips=tuple(flip for key, found in rows.items() if key[0] != POOLED for flip in _flips(found)),
        verdicts=tuple(_verdicts(before, after)),
        left_out=len(unlike),
    )


def _by_id(task: TaskRecord) -> dict[str, ItemRecord]:
    return {item.id: item for item in task.items}


def _arm(
    key: tuple[str, str, str], rows: Sequence[tuple[AnswerRow, AnswerRow, bool]], seed: int, resamples: int
) -> ArmBetween:
    flips = list(_flips(rows))
    strata = [new.task for _, new, _ in rows]
    groups = [f"{new.task}/{new.item if new.group is None else new.group}" for _, new, _ in rows]
    golds = ["right" if is_open else new.gold or INVALID for _, new, is_open in rows]
    pair = compare(
        [_label(new, is_open) for _, new, is_open in rows],
        [_label(was, is_open) for was, _, is_open in rows],
        golds if any(new.right is not None for _, new, _ in rows) else None,
        clusters=groups if len(set(groups)) < len(groups) else None,
        strata=strata if len(set(strata)) > 1 else None,
        seed=seed,
        resamples=resamples,
    )
    accuracy = pair.accuracy
    count = {kind: sum(flip.kind == kind for flip in flips) for kind in ("gained", "lost", "other")}
    return ArmBetween(
        task=key[0],
        condition=key[1],
        arm=key[2],
        n=pair.n,
        before=accuracy.right if accuracy else Interval(None),
        after=accuracy.left if accuracy else Interval(None),
        difference=accuracy.difference if accuracy else Interval(None),
        kappa=pair.kappa,
        other_sound=sum(was.clip != new.clip for was, new, _ in rows),
        **count,
    )


def _label(row: AnswerRow, is_open: bool) -> str:
    """What is compared: the label; of open tasks whether it is right, and where that is not known the text."""
    if row.label == INVALID or not is_open or row.right is None:
        return row.label
    return "right" if row.right else "wrong"


def _flips(rows: Sequence[tuple[AnswerRow, AnswerRow, bool]]) -> Iterator[Flip]:
    for was, new, _ in rows:
        if was.label != new.label:
            kind: Kind = "other"
            if was.right != new.right:
                kind = "gained" if new.right else "lost"
            yield Flip(new.task, new.condition, new.arm, new.item, was.label, new.label, new.gold, kind)


def _verdicts(before: Results, after: Results) -> Iterator[VerdictBetween]:
    old = {(c.task, c.condition, c.left, c.right): c.verdict for c in before.comparisons}
    for c in after.comparisons:
        was = old.get((c.task, c.condition, c.left, c.right))
        if was is not None and c.verdict is not None:
            yield VerdictBetween(c.task, c.condition, c.left, c.right, was.kind, c.verdict.kind)


def _changed(before: Results, after: Results) -> Iterator[Changed]:
    names = [f.name for f in fields(before.study) if f.name != "arms"]
    yield from _fields("", before.study, after.study, names)
    yield from _named("arm", {a.name: a for a in before.arms}, {a.name: a for a in after.arms}, _arm_changes)
    yield from _named("task", {t.name: t for t in before.tasks}, {t.name: t for t in after.tasks}, _task_changes)
    old, new = before.environment, after.environment
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield Changed(name, old.get(name, "–"), new.get(name, "–"))


def _named(kind: str, old: Mapping[str, Any], new: Mapping[str, Any], changes: Any) -> Iterator[Changed]:
    """What only one of the studies has, and what differs in what both have."""
    for name in dict.fromkeys([*old, *new]):
        if name not in new or name not in old:
            yield Changed(
                f"{kind} {name}", "present" if name in old else "absent", "present" if name in new else "absent"
            )
        else:
            for one in changes(old[name], new[name]):
                yield Changed(f"{kind} {name}: {one.what}", one.before, one.after)


def _arm_changes(old: Arm, new: Arm) -> Iterator[Changed]:
    yield from _fields("", old, new, ["kind", "planted"])
    models = [{"asr": a.asr, "llm": a.llm, "speech LLM": a.speech, **a.parts} for a in (old, new)]
    for role in dict.fromkeys([*models[0], *models[1]]):
        a, b = models[0].get(role), models[1].get(role)
        if a is None or b is None:
            if a is not b:
                yield Changed(role, a.name if a else "–", b.name if b else "–")
        else:
            kept = [f.name for f in fields(Identity) if f.name not in ("modules", "name", "batch_size")]
            yield from _fields(f"{role} ", a, b, kept)


def _task_changes(old: TaskRecord, new: TaskRecord) -> Iterator[Changed]:
    kept = ["kind", "mode", "labels", "conditions", "prompt", "message", "shots", "calibrated_on", "sufficient"]
    yield from _fields("", old, new, kept)
    a, b = _by_id(old), _by_id(new)
    if a.keys() != b.keys():
        yield Changed(
            "items",
            f"{len(a)} ({len(a.keys() - b.keys())} only here)",
            f"{len(b)} ({len(b.keys() - a.keys())} only here)",
        )
    other = sum(a[key] != b[key] for key in a.keys() & b.keys())
    if other:
        yield Changed("items with the same name but other contents", str(other), str(other))


def _fields(prefix: str, old: Any, new: Any, names: Sequence[str]) -> Iterator[Changed]:
    for name in names:
        a, b = getattr(old, name), getattr(new, name)
        if a != b:
            yield Changed(f"{prefix}{name.replace('_', ' ')}", _short(a), _short(b))


def _short(value: Any) -> str:
    if isinstance(value, str) and _HASH.fullmatch(value):
        return value[:12]
    text = "–" if value is None else ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
