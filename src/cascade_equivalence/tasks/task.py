"""A task: a form with its evaluated items and its development items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from cascade_equivalence.errors import UsageError
from cascade_equivalence.tasks.form import Form, Kind, Wording
from cascade_equivalence.tasks.forms import FORMS
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.manifest import read_manifest


@dataclass(frozen=True, slots=True)
class Origin:
    """The public data set that a task is of: where it was read, the commit (None: a folder), its rows and licence.

    excluded: (item, reason) of what no arm is asked about.
    """

    dataset: str
    place: str
    revision: str | None
    rows: int
    licence: str
    excluded: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """`items` are evaluated; `dev` gives shots and calibration and is never evaluated.

    variant_of: name of the task that this one is with its options in another order. origin: of a public data set.
    """

    name: str
    form: Form
    items: tuple[Item, ...]
    dev: tuple[Item, ...]
    variant_of: str | None = None
    origin: Origin | None = None

    @property
    def shots(self) -> tuple[Item, ...]:
        """The development items shown as examples, in the form's order."""
        by_id = {item.id: item for item in self.dev}
        return tuple(by_id[i] for i in self.form.shots if i in by_id)

    @property
    def calibration(self) -> tuple[Item, ...]:
        """The development items with text that are not shown as examples."""
        shown = set(self.form.shots)
        return tuple(item for item in self.dev if item.id not in shown and item.text)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the choices; empty on open tasks."""
        return tuple(dict.fromkeys(c.label for item in self.items for c in item.choices))


def corpus_dir() -> Path:
    """The directory of the shipped items and their speech."""
    return Path(str(files("cascade_equivalence.tasks") / "corpus"))


def shipped_tasks() -> tuple[str, ...]:
    """Names of the tasks that ship with items."""
    return tuple(name for name in FORMS if (corpus_dir() / f"{name}.jsonl").is_file())


def load_task(
    name: str,
    manifest: Path | None = None,
    where: Mapping[str, Any] | None = None,
    limit: int | None = None,
    voice: str | None = None,
    form: str | Wording | None = None,
) -> Task:
    """A shipped task by name, or a user's `manifest` under any name.

    A manifest gets the wording of the shipped `form` that is named, or the words that are given, or the general ones;
    its name decides nothing. Its examples are its own rows of split `shot`; where it has no development items, a
    shipped form's own ones serve, if they have the same labels. `limit` keeps the first n evaluated items, every label
    equally represented as far as it goes. Items without audio are spoken by `voice`, where given.

    Raises `UsageError` for an unknown name, an unusable manifest, labels that are not the form's, and items of which
    some have a question and some have none.
    """
    if manifest is None and name not in shipped_tasks():
        raise UsageError(f"no task '{name}'; there are: {', '.join(shipped_tasks())} (or give a manifest)")
    path = manifest or corpus_dir() / f"{name}.jsonl"
    rows = read_manifest(path, where)
    if voice:
        rows = tuple(row if row.audio else replace(row, voice=voice, speaker=row.speaker or voice) for row in rows)
    worded = FORMS[name] if manifest is None else _worded(path, name, form, rows)
    own_shots = tuple(item.id for item in rows if item.split == "shot")
    items = tuple(item for item in rows if item.split not in ("dev", "shot"))
    dev = tuple(item for item in rows if item.split in ("dev", "shot"))
    if isinstance(form, str) and not dev and items:
        dev = _shipped_dev(form, items[0])
        own_shots = worded.shots if dev else ()
    if manifest is not None:
        worded = replace(worded, name=name, shots=own_shots)
    for item in dev:
        if item.split == "shot" and not (item.text and item.label):
            raise UsageError(f"{path}: item '{item.id}' is to be shown as an example; it needs a text and a label")
    if not items:
        raise UsageError(f"{path}: every item is a development item; nothing to evaluate")
    if worded.kind != "open" and any(len(item.choices) < 2 for item in items):
        short = next(item.id for item in items if len(item.choices) < 2)
        raise UsageError(f"{path}: item '{short}' has fewer than two choices, task '{name}' needs them")
    return Task(name, worded, balanced(items, limit), dev)


def _shipped_dev(form: str, item: Item) -> tuple[Item, ...]:
    """The shipped development items of a form, if they ask for the same labels in the same order as `item`."""
    if form not in shipped_tasks():
        return ()
    rows = read_manifest(corpus_dir() / f"{form}.jsonl")
    dev = tuple(row for row in rows if row.split in ("dev", "shot"))
    same = FORMS[form].kind != "labels" or all(
        [c.label for c in row.choices] == [c.label for c in item.choices] for row in dev
    )
    return dev if same else ()


def _worded(path: Path, name: str, form: str | Wording | None, rows: tuple[Item, ...]) -> Form:
    """The form of a manifest's items. Raises `UsageError` where they do not fit it, or each other."""
    questions = {item.question for item in rows} - {None}
    own = {item.question for item in rows if item.question != item.text} - {None}
    # One question for all may be asked of examples too; of several nobody knows which is theirs.
    lacking = [i for i in rows if i.question is None and (len(own) > 1 or i.split not in ("dev", "shot"))]
    if own and lacking:
        raise UsageError(
            f"{path}: item '{lacking[0].id}' has no question and others have; give each its question (its text, where "
            "that is what is asked)"
        )
    if isinstance(form, str):
        if form not in FORMS:
            raise UsageError(f"{path}: no form '{form}'; there are: {', '.join(FORMS)}")
        _fits(path, FORMS[form], rows)
        return FORMS[form]
    words = form or Wording()
    if unknown := [label for label, _ in words.words if not any(label in _labels(item) for item in rows)]:
        there = dict.fromkeys(label for item in rows for label in _labels(item))
        raise UsageError(f"{path}: form: words has '{unknown[0]}', which is no label here; there are: {_listed(there)}")
    shown = [word for _, word in words.words]
    if twice := [word for word in shown if shown.count(word) > 1]:
        raise UsageError(f"{path}: form: words shows two labels as '{twice[0]}'; give each its own word")
    shared = next(iter(questions)) if len(questions) == len(own) == 1 else None
    return Form(
        name,
        _kind_of(rows),
        words.sufficient,
        words.instruction or shared or "Listen and answer.",
        words.heard,
        words.asked,
        words.words,
        max_new_tokens=words.max_new_tokens,
    )


def _kind_of(items: tuple[Item, ...]) -> Kind:
    if not items[0].choices:
        return "open"
    return "labels" if len({item.choices for item in items}) == 1 else "options"


def _labels(item: Item) -> list[str]:
    return [choice.label for choice in item.choices]


def _listed(labels: Iterable[str]) -> str:
    there = list(labels)
    return ", ".join(there[:12]) + (f", … ({len(there)})" if len(there) > 12 else "")


def _fits(path: Path, form: Form, rows: tuple[Item, ...]) -> None:
    """Raise `UsageError` where items are not of a shipped form's kind, or have labels that its words do not know."""
    if form.kind == "open":
        return
    if bare := next((item for item in rows if not item.choices), None):
        raise UsageError(f"{path}: item '{bare.id}' has no choices, and form '{form.name}' asks for one of them")
    if form.kind != "labels":
        return
    shipped = form.name in shipped_tasks()
    known = _labels(read_manifest(corpus_dir() / f"{form.name}.jsonl")[0]) if shipped else [x for x, _ in form.words]
    there = dict.fromkeys(label for item in rows for label in _labels(item))
    if unknown := [label for label in there if label not in known]:
        raise UsageError(
            f"{path}: label '{unknown[0]}' is not one of form '{form.name}' ({_listed(known)}); name the labels so, or "
            "give the form's parts (form: {instruction: …})"
        )
    if len({item.choices for item in rows}) > 1:
        raise UsageError(f"{path}: form '{form.name}' has one label set, and the items have several lists of choices")


def balanced(items: tuple[Item, ...], limit: int | None) -> tuple[Item, ...]:
    """The first `limit` items, taken in turn from each label's items in manifest order."""
    if limit is None or limit >= len(items):
        return items
    rank: dict[str, int] = {}
    turn: dict[str, int] = {}
    for item in items:
        label = item.label or ""
        turn[item.id] = rank[label] = rank.get(label, -1) + 1
    kept = {item.id for item in sorted(items, key=lambda i: turn[i.id])[:limit]}
    return tuple(item for item in items if item.id in kept)
