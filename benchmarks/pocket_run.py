"""The run against a plain loop over transformers: trials per second, equal labels, framework overhead.

The plain loop is what one would write by hand: one item at a time; for every cascade and condition the clip is
transcribed again (`generate`, 30 s padding); every label scored by a forward pass over the whole prompt. Same weights,
dtypes, prompts, calibration offsets and clips; the loop's models are loaded before its clock starts, the run loads its
ASRs inside. Hearing check, repeated answers and single requests are left out.

    python benchmarks/pocket_run.py --limit 40
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cascade_equivalence.audio.clip import RATE
from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.run.answers import offset_key
from cascade_equivalence.run.execute import execute
from cascade_equivalence.run.executors import Executor
from cascade_equivalence.run.journal import AnswerRow, Journal, Row, TranscriptRow
from cascade_equivalence.run.layout import CLIPS, JOURNAL
from cascade_equivalence.run.models import Models
from cascade_equivalence.run.plan import ArmPlan, LocalModel, Plan, Sizes
from cascade_equivalence.run.progress import Silent
from cascade_equivalence.run.run import open_run
from cascade_equivalence.run.work import Work, do
from cascade_equivalence.study.build import build_plan
from cascade_equivalence.study.narrow import narrow
from cascade_equivalence.study.spec import load_study
from cascade_equivalence.systems.linear import OneDnnLinear
from cascade_equivalence.systems.whisper import Whisper
from cascade_equivalence.tasks.item import Item
from cascade_equivalence.tasks.task import Task

Answers = dict[tuple[str, str, str, str], str]


def with_padding(plan: Plan, padding: Any) -> Plan:
    """The plan with another ASR padding, identities that say so, and nothing beside the answers."""
    models = dict(plan.models)
    for name in asrs(plan):
        model = models[name]
        assert isinstance(model, LocalModel)
        decoding = {**model.identity.decoding, "padding": padding}
        models[name] = replace(model, padding=padding, identity=replace(model.identity, decoding=decoding))
    return replace(plan, models=models, sizes=Sizes(0, 0, 0))


def asrs(plan: Plan) -> list[str]:
    """The ASRs of a plan."""
    return list(dict.fromkeys(arm.asr for arm in plan.arms if arm.asr))


@dataclass
class Timed:
    """This process as an executor that counts the seconds of its work."""

    plan: Plan
    models: Models
    store: ClipStore
    inside: float = 0.0

    def map(self, work: Sequence[Work], in_turn: bool = False) -> Iterator[list[Row]]:
        """See `Executor.map`."""
        for piece in work:
            parts = do(piece, self.plan, self.models, self.store)
            while True:
                start = time.perf_counter()
                rows = next(parts, None)
                self.inside += time.perf_counter() - start
                if rows is None:
                    break
                yield rows

    def close(self) -> None:
        """See `Executor.close`: the models are the caller's."""


def run(plan: Plan, directory: Path) -> tuple[float, float, Answers, dict[str, str], dict[str, Any]]:
    """(wall s, s inside the work, answers, transcript by clip and ASR, offsets) of one execution."""
    models = Models(plan, lambda _: None)
    # Loading is no part of the comparison; the first group's models stay for the run.
    models.focus(plan.arms[0].answers)
    models.llm(plan.arms[0].answers)
    timed: list[Timed] = []

    def executor(here: Executor, plan: Plan, store: ClipStore) -> Timed:
        timed.append(Timed(plan, models, store))
        return timed[0]

    with open_run(directory, plan, Silent(), executor) as opened:
        start = time.perf_counter()
        execute(opened)
        wall = time.perf_counter() - start
    journal = Journal(directory / JOURNAL, create=False)
    answers = {(r.arm, r.task, r.condition, r.item): r.label for r in journal.rows(AnswerRow).values()}
    transcripts = {f"{r.asr}:{r.clip}": r.text for r in journal.rows(TranscriptRow).values()}
    offsets = {task.name: journal.fact(offset_key(plan, arm, task)) for arm in plan.arms for task in plan.tasks}
    return wall, timed[0].inside, answers, transcripts, offsets


def plain_transcript(model: Whisper, samples: np.ndarray) -> str:
    """As the model card does it."""
    features = model._features([samples], sampling_rate=RATE, return_tensors="pt").input_features
    options = {"language": "en", "task": "transcribe"} if len(model._prompt) > 2 else {}
    ids = model._model.generate(
        features.to(model._model.dtype), do_sample=False, num_beams=1, return_timestamps=False, **options
    )
    return str(model._tokenizer.batch_decode(ids, skip_special_tokens=True)[0]).strip()


def plain_label(models: Models, arm: ArmPlan, task: Task, item: Item, content: str, offsets: list[float]) -> str:
    """Each label's mean log-likelihood by a forward pass of its own over the whole prompt."""
    llm = models.llm(arm.answers)
    prompt = task.form.plain(item, task.shots)
    text = prompt.before + " " + " ".join(content.split()) + prompt.after
    scores = []
    for continuation in prompt.continuations:
        head, tail = llm.encode(text, start=True), llm.encode(continuation)
        logits = llm.model(torch.tensor([head + tail])).logits[0].float().log_softmax(-1)
        scores.append(np.mean([float(logits[len(head) - 1 + i, t]) for i, t in enumerate(tail)]))
    return prompt.labels[int(np.argmax(np.array(scores) - np.array(offsets)))]


def plain(model: nn.Module) -> None:
    """Take torch's own layers back."""
    for module in model.modules():
        if type(module) is OneDnnLinear:
            module.__class__ = nn.Linear  # type: ignore[assignment]


def loop(plan: Plan, directory: Path, offsets: dict[str, Any]) -> tuple[float, Answers]:
    """The plain loop over the clips that the run made."""
    journal, store = Journal(directory / JOURNAL, create=False), ClipStore(directory / CLIPS)
    models = Models(plan, lambda _: None)
    clips = {(r.task, r.condition, r.item): r.clip for r in journal.rows(AnswerRow).values() if r.clip}
    heard = {asr: models.transcriber(asr) for asr in asrs(plan)}
    plain(models.llm(plan.arms[0].answers).model)
    for asr in heard.values():
        plain(asr._model)  # type: ignore[attr-defined]
        asr._model.set_attn_implementation("sdpa")  # type: ignore[attr-defined]
    answers: Answers = {}
    start = time.perf_counter()
    with torch.inference_mode():
        for arm in plan.arms:
            for task in plan.tasks:
                for condition in plan.conditions_of(task):
                    for item in task.items:
                        content = item.text or ""
                        if arm.asr:
                            samples = store.get(clips[task.name, condition.name, item.id] or "").samples
                            content = plain_transcript(heard[arm.asr], samples)  # type: ignore[arg-type]
                        label = plain_label(models, arm, task, item, content, offsets[task.name])
                        answers[arm.name, task.name, condition.name, item.id] = label
    return time.perf_counter() - start, answers


def share_equal(plain: Answers, ours: Answers) -> tuple[float, int]:
    """Share of the loop's answers that the run's equal; the run files the gold arm's once."""
    equal = [
        label == ours.get((arm, task, condition, item), ours.get((arm, task, "text", item)))
        for (arm, task, condition, item), label in plain.items()
    ]
    return float(np.mean(equal)), len(equal)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=40)
    args = parser.parse_args()
    study, base = load_study("pocket", limit=args.limit)
    study = narrow(study, ["gold", "cascade-s", "cascade-w"], ["topic", "sentiment"])
    plan = build_plan(study, base, print)
    print(f"load {os.getloadavg()[0]:.2f}, {torch.get_num_threads()} threads, {args.limit} items a task")
    with tempfile.TemporaryDirectory() as work:
        stock, short = with_padding(plan, "stock"), with_padding(plan, "short")
        found = {name: run(p, Path(work) / name) for name, p in (("stock", stock), ("short", short))}
        offsets = found["stock"][4]
        loop_s, by_hand = loop(stock, Path(work) / "stock", offsets)
    trials = len(by_hand)
    print(f"plain loop: {trials} trials in {loop_s:.1f} s, {trials / loop_s:.2f} trials/s")
    for name, (wall, inside, answers, transcripts, _) in found.items():
        equal, n = share_equal(by_hand, answers)
        same = np.mean([transcripts[k] == found["stock"][3][k] for k in transcripts])
        print(
            f"run, {name} padding: {wall:.1f} s, {trials / wall:.2f} trials/s, {loop_s / wall:.2f} times the loop; "
            f"labels equal on {100 * equal:.2f} % of {n}; overhead {wall / inside:.3f}; "
            f"transcripts equal to stock {100 * same:.1f} % of {len(transcripts)}"
        )
    print(json.dumps({name: [round(f[0], 2), round(f[1], 2)] for name, f in found.items()}))


if __name__ == "__main__":
    main()
