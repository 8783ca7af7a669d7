"""What a study will cost, as text: the first lines of a run, and all of a dry one."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cascade_equivalence.durations import duration
from cascade_equivalence.report.console import heading, plain, table
from cascade_equivalence.study.account import Account, Requests


def print_account(account: Account, console: Console) -> None:
    """Print the account: downloads, memory, tasks, arms, requests, and what is missing."""
    if account.downloads:
        fetched = table("what", "GB", "there", "licence")
        for one in account.downloads:
            source = one.source.replace("Hugging Face hub", "hub")
            origin = ", ".join(filter(None, (one.kind, source, (one.revision or "")[:10])))
            what = plain(one.name).append("\n").append_text(plain(origin, "dim"))
            licence = one.licence + (", asks for consent" if one.gated else "")
            fetched.add_row(what, plain(gb(one.gb)), plain("yes" if one.cached else "no"), plain(licence))
        _show(console, heading("to fetch"), fetched)
        console.print()
    for one in account.downloads:
        if one.note:
            console.print(f"{one.name}: {one.note}", markup=False, highlight=False, soft_wrap=True)
    memory = ", ".join(f"{one.name} {gb(one.gb)}" for one in account.loaded)
    held = f"; in memory, GB: {memory}" if memory else ", and no model to load"
    console.print(f"{account.fetch_gb:.1f} GB to fetch{held}", markup=False, highlight=False, soft_wrap=True)
    tasks = table("task", "items", "conditions", "texts to speak")
    for task in account.tasks:
        speak = f"{task.to_speak:,}, {duration(task.sound)} of sound" if task.to_speak else "-"
        tasks.add_row(*map(plain, (task.name, f"{task.items:,}", task.conditions, speak)))
    arms = table("arm", "trials", "about")
    for arm in account.arms:
        time = "not known" if arm.seconds is None else duration(arm.seconds)
        arms.add_row(plain(arm.arm), plain(f"{arm.trials:,}"), plain(time))
    _show(console, heading("tasks"), tasks)
    _show(console, heading("arms"), arms)
    console.print()
    told = [_asked(one) for one in account.requests]
    told += [f"left out: arm '{name}': {why}" for name, why in account.left_out.items()]
    told += [*account.notes, *(f"missing: {one}" for one in account.missing)]
    told += [] if account.can_start else ["this study cannot start here"]
    for line in told:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _show(console: Console, title: Text, rows: Table) -> None:
    for part in (Text(), title, rows):
        console.print(part)


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
