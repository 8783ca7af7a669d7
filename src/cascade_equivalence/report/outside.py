"""What cannot be known of arms that answer elsewhere: behind endpoints, from files, or by another runtime."""

from __future__ import annotations

from cascade_equivalence.report import numbers
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.results import Results

APART = "9 of 48 shipped"
"""Whisper tiny.en in float32 (benchmarks/runtimes.py)."""


def outside(results: Results) -> list[str]:
    """One sentence or two on endpoints, on what they served, on files, and on an ASR's runtime."""
    asked = [arm for arm in results.arms if arm.elsewhere and not arm.looked_up]
    files = [arm for arm in results.arms if arm.looked_up]
    found = []
    if asked:
        names = numbers.listed([_named(arm) for arm in asked])
        found.append(
            f"Endpoints: {names} answer behind a server. What weights, precision "
            "and prompt template answered is what the server says, and was not measured; their match with any other "
            "arm is opaque, and their seconds, a network’s and a queue’s, are not shown."
        )
    for arm, served in results.served.items():
        if len(served) > 1:
            counts = numbers.listed([f"{name} ({count})" for name, count in sorted(served.items())])
            found.append(
                f"Served model: arm {arm} was answered by {numbers.plural(len(served), 'model')} in one run: {counts}. "
                "Its answers are not those of one system."
            )
    if files:
        names = numbers.listed([arm.name for arm in files])
        found.append(
            f"Files: the answers or transcripts of {names} were made elsewhere. Their prompts and ways of answering "
            "are not known, and whether they hear cannot be checked."
        )
    if others := dict.fromkeys(arm.asr.name for arm in results.arms if _other_runtime(arm) and arm.asr):
        found.append(
            f"Runtime: {numbers.listed([*others])} transcribes by faster-whisper. No two runtimes of Whisper agree on "
            f"every clip: with the same weights it gave another transcript than the reference runtime on {APART} "
            "clips. So its transcripts are an ASR’s of their own."
        )
    return found


def _other_runtime(arm: Arm) -> bool:
    return arm.asr is not None and arm.asr.runtime.startswith("faster-whisper")


def _named(arm: Arm) -> str:
    made_of = (arm.speech, arm.asr, arm.llm)
    sources = dict.fromkeys(one.source for one in made_of if one is not None and one.device == "remote")
    return f"{arm.name} ({', '.join(sources)})"
