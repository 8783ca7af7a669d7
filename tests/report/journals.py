"""Run directories made by hand: a journal and clips as a run leaves them, small and with chosen answers."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cascade_equivalence.audio.clip import RATE, Clip
from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.run.journal import AnswerRow, ClipRow, Journal, ReplyRow, TranscriptRow
from cascade_equivalence.run.layout import CLIPS, GOLD_CONDITION, JOURNAL

NASTY = "<script>alert(1)</script>"
TOPICS = ("World", "Sports", "Business")


@dataclass
class Made:
    """What a test varies. tasks: name → (kind, labels). clean_only: tasks asked on clean speech alone."""

    tasks: dict = field(default_factory=lambda: {"topic": ("labels", TOPICS)})
    conditions: tuple = ("clean", "babble@0dB")
    arms: tuple = ("gold", "cascade-s", "cascade-w")
    n: int = 24
    gold: bool = True
    sound: bool = True
    latency: bool = True
    stop_after: int | None = None
    text: str = "Voters threw out the draft"
    read: str = "voters threw up the draft,"
    constant: bool = False
    clean_only: tuple = ()

    def asked(self, task):
        return ("clean",) if task in self.clean_only else self.conditions


def make_run(directory: Path, made: Made) -> Path:
    """Write the run directory."""
    journal = Journal(directory / JOURNAL)
    store = ClipStore(directory / CLIPS)
    listeners = [arm for arm in made.arms if arm != "gold"]
    asr = {arm: f"asr-{i}" for i, arm in enumerate(listeners)}
    journal.put_fact("study", {
        "name": "by hand", "arms": {
            arm: {"asr": asr.get(arm), "llm": "llm", "transcript": None if arm in asr else "gold"} for arm in made.arms
        },
        "conditions": list(made.conditions), "comparisons": "matched", "resamples": 200, "seed": 0, "margin": 0.03,
        "invalid_limit": 0.5,
    })  # fmt: skip
    journal.put_fact("tasks", [_task(name, *what, made) for name, what in made.tasks.items()])
    journal.put_fact("identities", {name: _identity(name) for name in ["llm", *asr.values()]})
    journal.put_fact("environment", {"python": "3.11", "torch": "2.13"})
    wanted, rows = {}, []
    for arm in made.arms:
        wanted[arm] = {}
        for task, (kind, labels) in made.tasks.items():
            wanted[arm][task] = []
            for condition in made.asked(task) if arm in asr else [GOLD_CONDITION]:
                for i in range(made.n):
                    key = f"{arm}/{task}/{condition}/{i}"
                    wanted[arm][task].append(key)
                    if made.stop_after is None or arm == made.arms[0] or i < made.stop_after:
                        rows += _answer(key, arm, asr.get(arm), task, kind, labels, condition, i, made, store)
    journal.add(*rows)
    journal.put_fact("wanted", wanted)
    if made.latency:
        for arm in made.arms:
            hears = {"asr": 0.5, "audio": 2.0} if arm in asr else {}
            stages = [{k: v + 0.01 * j for k, v in hears.items()} | {"llm": 0.2 + 0.01 * j} for j in range(8)]
            journal.put_fact(f"latency:{arm}", {"arm": arm, "task": "topic", "stages": stages})
    journal.close()
    return directory


def _task(name, kind, labels, made):
    return {
        "name": name, "kind": kind, "sufficient": True, "mode": "generate" if kind == "open" else "labels",
        "conditions": list(made.asked(name)), "labels": list(labels) if kind == "labels" else [],
        "prompt": f"Name it.\n{made.text}:", "shots": [],
        "calibrated_on": 4,
        "items": [
            {
                "id": f"{name}-{i:03}", "text": f"{made.text} {i}", "group": None, "speaker": f"voice-{i % 3}",
                "accepted": [labels[i % len(labels)]] if made.gold else [],
                "choices": list(labels) if kind == "labels" else [],
            }
            for i in range(made.n)
        ],
    }  # fmt: skip


def _identity(name):
    return {
        "name": name, "source": f"{name}-source", "weights": (name * 40)[:64], "runtime": "torch 2.13",
        "device": "cpu", "dtype": "float32", "batch_size": 16, "decoding": {"search": "greedy"},
    }  # fmt: skip


def _answer(key, arm, asr, task, kind, labels, condition, i, made, store):
    """Rows of one answer: right, except that each arm errs on its own every few items, and once invalidly."""
    right = labels[i % len(labels)]
    step = {"gold": 7, "cascade-s": 5}.get(arm, 3) if condition in {"clean", GOLD_CONDITION} else 2
    label = labels[(i + 1) % len(labels)] if i % step == 1 else right
    if arm == "cascade-w" and condition != "clean" and i == 3:
        label = "INVALID"
    if made.constant:
        label = labels[0]
    content = f"{made.text} {i}" if asr is None else f"{made.read} {i}"
    reply = ReplyRow(f"r:{key}", arm, content, None, label, 5, 0.01, 16)
    if asr is None:
        mode = "generate" if kind == "open" else "labels"
        return [reply, AnswerRow(key, arm, task, f"{task}-{i:03}", condition, 0, mode, reply.key, None, None, label, 0)]
    seed = 1000 * made.conditions.index(condition) + i
    clip = Clip(np.random.default_rng([seed, len(task)]).normal(0, 0.1, RATE // 4).astype(np.float32))
    if made.sound:
        store.put(clip)
    snr = 0.001 if "babble" in condition else None
    return [
        reply,
        ClipRow(f"c:{task}/{condition}/{i}", task, f"{task}-{i:03}", condition, clip.sha256, clip.seconds, snr, 1.0),
        TranscriptRow(f"t:{key}", asr, clip.sha256, content, -0.1, 6, 1, 0.05, 16),
        AnswerRow(
            key, arm, task, f"{task}-{i:03}", condition, 0, "labels", reply.key, clip.sha256, f"t:{key}", label, 0
        ),
    ]
