"""The stimuli of a run as files, for whoever must put them to a model elsewhere."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.errors import RunError
from cascade_equivalence.run.journal import AnswerRow, Journal
from cascade_equivalence.run.layout import CLIPS, JOURNAL
from cascade_equivalence.study.records import TaskRecord, decode
from cascade_equivalence.systems.remote.wav import wav
from cascade_equivalence.whole import whole

MANIFEST = "stimuli.jsonl"


@dataclass(frozen=True, slots=True)
class Written:
    """What was written. trials: rows of the manifest; clips: sound files; seconds: of sound in all trials."""

    manifest: Path
    trials: int
    clips: int
    seconds: float


def write_stimuli(directory: Path, out: Path) -> Written:
    """Write each trial of a run that some arm heard: a row of `stimuli.jsonl`, and its sound as 16 kHz mono WAV.

    A row has `id` (task/item/condition: what a prediction is matched by), `task`, `item`, `condition`, `audio`
    (relative to the manifest; null where nothing is heard), `before` and `after` (the user's words around the sound),
    and `choices`. Gold labels are left out. Raises `RunError` where there is no run or no arm has heard anything yet,
    and `AudioError` for a clip that is not as it was.
    """
    journal = Journal(directory / JOURNAL, create=False)
    try:
        recorded = journal.fact("tasks")
        rows = list(journal.rows(AnswerRow).values())
    finally:
        journal.close()
    tasks = {task.name: task for task in decode(tuple[TaskRecord, ...], recorded or [], f"{directory}: fact 'tasks'")}
    heard: dict[tuple[str, str, str], str | None] = {}
    order = {(task.name, item.id): n for task in tasks.values() for n, item in enumerate(task.items)}
    hearing = {row.arm for row in rows if row.clip}
    for row in rows:
        if row.arm in hearing and (row.task, row.item) in order:
            heard.setdefault((row.task, row.item, row.condition), row.clip)
    if not heard:
        raise RunError(
            f"{directory}: no arm has heard anything yet; run the study with an arm that does, a cascade say"
        )
    store, sizes, total = ClipStore(directory / CLIPS), {}, 0.0
    (out / "audio").mkdir(parents=True, exist_ok=True)
    lines = []
    for (name, item, condition), sound in sorted(heard.items(), key=lambda pair: (pair[0][2], order[pair[0][:2]])):
        task = tasks[name]
        if sound is not None and sound not in sizes:
            clip = store.get(sound)
            with whole(out / "audio" / f"{sound[:24]}.wav") as part:
                part.write_bytes(wav(clip))
            sizes[sound] = clip.seconds
        total += sizes.get(sound or "", 0.0)
        lines.append(_row(task, order[name, item], condition, sound))
    manifest = out / MANIFEST
    with whole(manifest) as part:
        part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return Written(manifest, len(lines), len(sizes), total)


def _row(task: TaskRecord, place: int, condition: str, sound: str | None) -> str:
    item = task.items[place]
    before, after = item.message or task.message or ("", "")
    row = {
        "id": f"{task.name}/{item.id}/{condition}",
        "task": task.name,
        "item": item.id,
        "condition": condition,
        "audio": f"audio/{sound[:24]}.wav" if sound else None,
        "before": before,
        "after": after,
        "choices": list(item.choices),
    }
    return json.dumps(row, ensure_ascii=False)
