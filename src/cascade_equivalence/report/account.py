"""What a study will cost, as text: the first lines of a run, and all of a dry one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade_equivalence.durations import duration
from cascade_equivalence.study.account import Account, Requests

if TYPE_CHECKING:
    from rich.console import Console


def print_account(account: Account, console: Console) -> None:
    """Print the account: downloads, memory, tasks, arms, requests, and what is missing."""
    from rich.table import Table

    fetched = Table("", "what", "GB", "there", "revision", "licence", "from", title="to fetch", title_justify="left")
    for one in account.downloads:
        licence = one.licence + (", asks for consent" if one.gated else "")
        revision = (one.revision or "-")[:12]
        fetched.add_row(one.kind, one.name, gb(one.gb), "yes" if one.cached else "no", revision, licence, one.source)
    if account.downloads:
        console.print(fetched)
    for one in account.downloads:
        if one.note:
            console.print(f"{one.name}: {one.note}", markup=False, highlight=False, soft_wrap=True)
    memory = ", ".join(f"{one.name} {gb(one.gb)}" for one in account.loaded)
    held = f"; in memory, GB: {memory}" if memory else ", and no model to load"
    console.print(f"{account.fetch_gb:.1f} GB to fetch{held}", markup=False, highlight=False, soft_wrap=True)
    tasks = Table("task", "items", "conditions", "texts to speak", "sound", title="tasks", title_justify="left")
    for task in account.tasks:
        tasks.add_row(task.name, f"{task.items:,}", str(task.conditions), f"{task.to_speak:,}", duration(task.sound))
    console.print(tasks)
    arms = Table("arm", "trials", "about", title="arms", title_justify="left")
    for arm in account.arms:
        arms.add_row(arm.arm, f"{arm.trials:,}", "not known" if arm.seconds is None else duration(arm.seconds))
    console.print(arms)
    told = [_asked(one) for one in account.requests]
    told += [f"left out: arm '{name}': {why}" for name, why in account.left_out.items()]
    told += [*account.notes, *(f"missing: {one}" for one in account.missing)]
    told += [] if account.can_start else ["this study cannot start here"]
    for line in told:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _asked(one: Requests) -> str:
    sound = f" with {duration(one.seconds)} of sound" if one.seconds else ""
    cost = "at no price that the study names" if one.cost is None else f"about ${one.cost:.2f}"
    key = "" if one.key is None else f"; key: {one.key}, {'set' if one.has_key else 'not set'}"
    return f"{one.model}: at least {one.requests:,} requests{sound} to {one.host}, {cost}{key}"


def first_lines(account: Account) -> list[str]:
    """What a run will fetch and speak, for its first lines; none where all of it is there."""
    todo = [one for one in account.downloads if not one.cached]
    told = (
        [f"to fetch, {account.fetch_gb:.1f} GB: " + ", ".join(f"{one.name} ({gb(one.gb)})" for one in todo)]
        if todo
        else []
    )
    if speak := [task for task in account.tasks if task.to_speak]:
        texts = ", ".join(f"{task.name} {task.to_speak:,} ({duration(task.sound)})" for task in speak)
        told.append(f"texts to speak, and the sound they make: {texts}")
    return told


def gb(value: float | None) -> str:
    """Gigabytes, or that they are not known."""
    return "not known" if value is None else f"{value:.1f}" if value >= 0.05 else "0" if value == 0 else "<0.1"
