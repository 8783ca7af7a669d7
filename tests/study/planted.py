"""Journals of a study with planted answers: arms, tasks and conditions at will."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cascade_equivalence.run.journal import AnswerRow, ClipRow, Journal, ReplyRow, TranscriptRow
from cascade_equivalence.run.layout import GOLD_CONDITION, JOURNAL
from cascade_equivalence.study.results import Results, analyse

Answers = Callable[[str, str, str, int], str]
"""(arm, task, condition, index of the item) → label."""

Sound = Callable[[str, str, int], str]
"""(task, condition, index of the item) → hash of the clip that is heard."""

KINDS = {"gold": "gold", "s": "cascade", "w": "cascade", "speech": "speech"}
SWEEP = tuple(f"babble@{snr}dB" for snr in (25, 20, 15, 10, 5, 0, -5))


def task(name: str, labels: Sequence[str], n: int, **fields: Any) -> dict[str, Any]:
    """A closed task whose labels come in turn."""
    items = [
        {
            "id": f"{name}{i}", "text": f"word{i} said", "accepted": [labels[i % len(labels)]], "choices": list(labels),
            "group": None, "speaker": None,
        }
        for i in range(n)
    ]  # fmt: skip
    made = {"name": name, "kind": "labels", "sufficient": True, "labels": list(labels), "items": items}
    prompt = {"prompt": "", "shots": [], "mode": "labels", "calibrated_on": 4}
    return made | prompt | {"conditions": ["clean"], "variant_of": None} | fields


def build(
    directory: Path, tasks: Sequence[Mapping[str, Any]], answers: Answers, sound: Sound | None = None, **study: Any
) -> Results:
    """Write the journal and analyse it. Every arm that hears has passed the hearing check."""
    journal = Journal(directory / JOURNAL)
    clips: dict[tuple[str, str, int], str] = {}
    wanted: dict[str, dict[str, list[str]]] = {arm: {} for arm in KINDS}
    rows: list[Any] = []
    for arm, kind in KINDS.items():
        for t in tasks:
            keys = wanted[arm].setdefault(t["name"], [])
            for condition in [GOLD_CONDITION] if kind == "gold" else t["conditions"]:
                for i, item in enumerate(t["items"]):
                    key = f"{arm}/{t['name']}/{condition}/{i}"
                    keys.append(key)
                    place = (t["name"], condition, i)
                    if sound and kind != "gold" and place not in clips:
                        clips[place] = sound(*place)
                        rows.append(ClipRow(f"c{key}", t["name"], item["id"], condition, clips[place], 1.0, None, 1.0))
                    heard = None if kind != "cascade" or condition == "no-audio" else f"t{key}"
                    rows.append(ReplyRow(f"r{key}", arm, "said", None, None, 3, 0.1, 4))
                    if heard:
                        rows.append(
                            TranscriptRow(heard, arm, clips.get(place, "clip"), item["text"], -0.1, 2, 1, 0.1, 4)
                        )
                    label = answers(arm, t["name"], condition, i)
                    rows.append(
                        AnswerRow(
                            key,
                            arm,
                            t["name"],
                            item["id"],
                            condition,
                            0,
                            "labels",
                            f"r{key}",
                            clips.get(place),
                            heard,
                            label,
                            0,
                        )
                    )
    journal.add(*rows)
    first = [{"task": tasks[0]["name"], "item": item["id"]} for item in tasks[0]["items"][:20]]
    labels = [item["accepted"][0] for item in tasks[0]["items"][:20]]
    others = [tasks[0]["labels"][(tasks[0]["labels"].index(x) + 1) % len(tasks[0]["labels"])] for x in labels]
    gate = {
        "trials": first,
        "labels": {"real": labels, "again": labels, "swap": others, "silence": others, "none": others},
        "moved": {"again": [0.0] * 20, "swap": [1.0] * 20, "silence": [1.0] * 20, "none": [1.0] * 20},
    }
    journal.put_fact("hearing", gate)
    journal.put_fact("study", {
        "name": "planted", "arms": {}, "conditions": ["clean"], "comparisons": "matched", "resamples": 200, "seed": 0,
        "margin": 0.03, "invalid_limit": 0.5,
    } | study)  # fmt: skip
    journal.put_fact("tasks", list(tasks))
    journal.put_fact("wanted", wanted)
    journal.put_fact("identities", {name: _identity(name) for name in ("llm", "s", "w")})
    journal.put_fact("arms", {
        arm: {
            "kind": kind, "asr": arm if kind == "cascade" else None, "llm": "llm", "same": [],
            "parts": {"llm": _identity("llm")} if kind == "speech" else {},
            "hearing": None if kind == "gold" else "hearing",
        }
        for arm, kind in KINDS.items()
    })  # fmt: skip
    journal.close()
    return analyse(directory)


def _identity(name: str) -> dict[str, Any]:
    return {
        "name": name, "source": name, "weights": name * 20, "dtype": "float32", "device": "cpu", "batch_size": 16,
        "runtime": "torch", "decoding": {"search": "greedy"},
    }  # fmt: skip
