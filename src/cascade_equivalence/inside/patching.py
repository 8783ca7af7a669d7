"""Interchange by layer: up to where do the answers follow the audio positions?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cascade_equivalence.inside.session import Session
from cascade_equivalence.mechanism.interventions import interchanging, resized


def patching(session: Session) -> dict[str, Any]:
    """Answers with another clip's states at the audio positions of one layer after the other.

    Each trial gets the next one of its task that the arm answers otherwise; trials without one are left out.
    """
    answers = session.answers
    pairs = _pairs([task.name for task, _ in session.trials], answers)
    own = [i for i, _ in pairs]
    trials = [session.trials[i] for i in own]
    heard = [session.heard[i] for i in own]
    spans = [session.bench.arm.audio_span(h) for h in heard]
    rows = []
    for layer in session.bench.layers if pairs else ():
        states = session.trial_states(layer)
        donors = [resized(states[other], last - first) for (_, other), (first, last) in zip(pairs, spans, strict=True)]

        def around(part: Sequence[int], layer: int = layer, donors: Sequence[Any] = donors) -> Any:
            return interchanging(session.bench.blocks, layer, [donors[i] for i in part], session.bench.stage)

        replies = session.bench.ask(trials, heard, around=around)
        rows.append({"layer": layer, "labels": session.labels(trials, replies)})
    return {
        "trials": [session.named_trials()[i] for i in own],
        "own": [answers[i] for i in own],
        "other": [answers[other] for _, other in pairs],
        "rows": rows,
    }


def _pairs(tasks: Sequence[str], answers: Sequence[str]) -> list[tuple[int, int]]:
    found = []
    for index, (task, answer) in enumerate(zip(tasks, answers, strict=True)):
        later = [*range(index + 1, len(tasks)), *range(index)]
        other = next((j for j in later if tasks[j] == task and answers[j] != answer), None)
        if other is not None:
            found.append((index, other))
    return found
