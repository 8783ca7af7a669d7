"""Arms in a report: their order, colours, the words for them, and the ceiling each comparison is held against."""

from __future__ import annotations

import hashlib

from cascade_equivalence.study.results import Arm, Comparison, Identity, Results

SERIES = 8
"""How many arms get a colour and shape of their own; further ones share."""


def ordered(results: Results) -> list[Arm]:
    """Gold first (what reading perfectly would give), then the others as the study names them."""
    return sorted(results.arms, key=lambda arm: arm.kind != "gold")


def series(results: Results) -> dict[str, int]:
    """Arm → number of its colour and shape: 0 is the gold arm's, the others count from 1."""
    numbers, next_number = {}, 1
    for arm in ordered(results):
        if arm.kind == "gold":
            numbers[arm.name] = 0
            continue
        numbers[arm.name] = 1 + (next_number - 1) % (SERIES - 1)
        next_number += 1
    return numbers


def describe(arm: Arm) -> str:
    """What an arm does, in words."""
    llm = arm.llm.name if arm.llm else "an LLM that is not known"
    if arm.kind == "gold":
        return f"the words as they were written, read by {llm}"
    if arm.planted:
        return f"planted as a control ({arm.planted}) on {llm}"
    if arm.kind == "speech":
        return f"{llm} hears the audio itself"
    if arm.asr:
        return f"{arm.asr.name} transcribes, {llm} reads the transcript"
    return f"{llm} answers"


def describe_short(arm: Arm) -> str:
    """What an arm is made of: `whisper-base → smollm2-135m`."""
    llm = arm.llm.name if arm.llm else None
    if arm.kind == "gold":
        return f"true text (upper bound){f', {llm}' if llm else ''}"
    if arm.kind == "cascade" and arm.asr:
        return f"{arm.asr.name} → {llm or 'an LLM that is not known'}"
    encoder = arm.parts.get("encoder")
    if arm.kind == "speech" and llm:
        return f"speech LLM on {llm}" + (f", hears through {encoder.name}" if encoder else "")
    return "speech LLM, of which only the answers are known"


def decoding(model: Identity) -> list[tuple[str, str]]:
    """How a model was decoded: (setting, value), hashes by their first digits; what a part has none of is left out."""
    return [
        (key, str(value)[:8] if key in _HASHED else str(value))
        for key, value in model.decoding.items()
        if key not in _HASHED or str(value) != _NOTHING
    ]


_HASHED = {"tokenizer", "template"}
_NOTHING = hashlib.sha256().hexdigest()[:16]
"""Recorded as the tokenizer of a part that has none."""


def ordered_comparisons(results: Results) -> list[Comparison]:
    """Comparisons by task (pooled last), pair (as the study has them) and condition."""
    tasks = {task.name: i for i, task in enumerate(results.tasks)}
    conditions = {name: i for i, name in enumerate(results.conditions)}
    pairs: dict[tuple[str, str], int] = {}
    for comparison in results.comparisons:
        pairs.setdefault((comparison.left, comparison.right), len(pairs))
    return sorted(
        results.comparisons,
        key=lambda c: (
            tasks.get(c.task, len(tasks)),
            pairs[c.left, c.right],
            conditions.get(c.condition, len(conditions)),
        ),
    )
