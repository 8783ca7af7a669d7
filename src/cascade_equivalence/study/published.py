"""The paper's figures (arXiv 2602.17598, v2), and ours beside them where a study's models and data are the paper's.

Collected from the paper's abstract and opening and from reading notes; its full tables were not to be had. Accuracies,
drops and κ are fractions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

TASKS: Mapping[str, str] = {
    "ag_news": "AG News",
    "sst2": "SST-2",
    "commonsenseqa": "CommonsenseQA",
    "triviaqa": "TriviaQA",
    "meld": "MELD",
    "mustard": "MUStARD",
}
"""Public data set → the paper's name of the task."""

SYSTEMS: Mapping[str, str] = {
    "fixie-ai/ultravox-v0_6-llama-3_1-8b": "Ultravox",
    "Qwen/Qwen2-Audio-7B-Instruct": "Qwen2-Audio",
    "microsoft/Phi-4-multimodal-instruct": "Phi-4-MM",
}
"""Hub id → the paper's name of the speech LLM."""

CASCADES: Mapping[tuple[str, str], str] = {
    ("openai/whisper-large-v3", "Qwen/Qwen2.5-7B-Instruct"): "Cascade-S",
    ("openai/whisper-small", "Qwen/Qwen2.5-7B-Instruct"): "Cascade-W",
    ("openai/whisper-large-v3", "Qwen/Qwen2-7B-Instruct"): "matched, Qwen2-Audio",
    ("openai/whisper-large-v3", "meta-llama/Llama-3.1-8B-Instruct"): "matched, Ultravox",
    ("openai/whisper-large-v3", "microsoft/Phi-4-mini-instruct"): "matched, Phi-4-MM",
}
"""(ASR, LLM) → the paper's name of the cascade."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One published figure. quantity: κ, error overlap, accuracy drop; right: the other arm, where there is one.

    low, high: the same where it is a range over tasks.
    """

    quantity: str
    task: str
    left: str
    right: str | None
    condition: str
    low: float
    high: float
    where: str

    def __str__(self) -> str:
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g}–{self.high:g}"


def _kappas() -> Iterable[Figure]:
    table = {
        "AG News": (0.93, 0.85, 0.85),
        "SST-2": (0.75, 0.54, 0.64),
        "CommonsenseQA": (0.78, 0.56, 0.61),
        "MELD": (0.52, 0.30, 0.23),
        "MUStARD": (0.55, 0.05, 0.50),
    }
    for task, values in table.items():
        for system, value in zip(SYSTEMS.values(), values, strict=True):
            yield Figure("kappa", task, system, f"matched, {system}", "clean", value, value, "Fig. 1")
    yield Figure("kappa", "CommonsenseQA", "Ultravox", "Cascade-S", "clean", 0.65, 0.65, "Fig. 1")
    yield Figure("kappa", "CommonsenseQA", "Cascade-S", "Cascade-W", "clean", 0.96, 0.96, "text")
    for task in ("AG News", "SST-2"):
        yield Figure("kappa", task, "Cascade-S", "Cascade-W", "clean", 0.93, 0.98, "text, range over tasks")


def _overlaps() -> Iterable[Figure]:
    for task, system, value in (
        ("AG News", "Ultravox", 0.96),
        ("AG News", "Phi-4-MM", 0.94),
        ("MELD", "Ultravox", 0.68),
        ("MELD", "Phi-4-MM", 0.44),
    ):
        yield Figure("error overlap", task, system, f"matched, {system}", "clean", value, value, "Fig. 2")


def _accuracies() -> Iterable[Figure]:
    for task, system, value in (
        ("AG News", "Ultravox", 0.829),
        ("SST-2", "Ultravox", 0.861),
        ("AG News", "Qwen2-Audio", 0.806),
        ("SST-2", "Qwen2-Audio", 0.830),
    ):
        yield Figure("accuracy", task, system, None, "clean", value, value, "Table 7, baseline")


def _drops() -> Iterable[Figure]:
    yield Figure("drop", "SST-2", "Cascade-S", None, "babble@0dB", 0.026, 0.026, "text")
    for task in ("AG News", "CommonsenseQA"):
        yield Figure("drop", task, "Cascade-S", None, "babble@0dB", 0.005, 0.042, "text, range over tasks")
    for task in ("AG News", "SST-2", "CommonsenseQA"):
        for system in SYSTEMS.values():
            yield Figure("drop", task, system, None, "babble@0dB", 0.039, 0.127, "text, range over systems and tasks")


FIGURES: tuple[Figure, ...] = (*_kappas(), *_overlaps(), *_accuracies(), *_drops())


@dataclass(frozen=True, slots=True)
class Ours:
    """One of our figures: value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Beside:
    """A published figure and ours. inside: whether the paper's value (or a part of its range) lies in our interval;
    None where we have none, and then `why` says so."""

    figure: Figure
    ours: Ours | None
    inside: bool | None
    why: str


def beside_the_paper(
    arms: Mapping[str, str | None],
    tasks: Mapping[str, str],
    ours: Callable[[str, str, str, str | None, str], Ours | None],
    figures: Sequence[Figure] = FIGURES,
) -> tuple[Beside, ...]:
    """The paper's figures with ours, in the paper's order.

    arms: our arm → the paper's name of it (`paper_name`), None for any other. tasks: our task → the data set it is of.
    ours: (quantity, task, left arm, right arm or None, condition) → our figure, or None where there is none. Figures
    whose models or data the study has not got are there with the reason: "not compared: …".
    """
    arm_of = {paper: name for name, paper in reversed(list(arms.items())) if paper}
    task_of = {TASKS[dataset]: name for name, dataset in tasks.items() if dataset in TASKS}
    found = []
    for figure in figures:
        absent = [name for name in (figure.left, figure.right) if name is not None and name not in arm_of]
        if figure.task not in task_of:
            why = f"not compared: {figure.task} is not among the tasks"
        elif absent:
            why = f"not compared: no arm is the paper's {' nor '.join(absent)}"
        else:
            right = arm_of[figure.right] if figure.right is not None else None
            own = ours(figure.quantity, task_of[figure.task], arm_of[figure.left], right, figure.condition)
            if own is not None:
                found.append(Beside(figure, own, figure.low <= own.high and figure.high >= own.low, ""))
                continue
            why = f"not compared: {figure.quantity} under {figure.condition} is not in this run"
        found.append(Beside(figure, None, None, why))
    return tuple(found)


def paper_name(speech: str | None, asr: str | None, llm: str | None) -> str | None:
    """The paper's name of an arm by the hub ids of its parts, or None: `speech` of a speech LLM, else ASR and LLM."""
    if speech is not None:
        return SYSTEMS.get(speech)
    return CASCADES.get((asr or "", llm or ""))


def rows(found: Sequence[Beside]) -> tuple[tuple[str, ...], ...]:
    """A table: quantity, task, arms, condition, the paper's, ours with its interval, whether it lies in it, where."""
    made = []
    for one in found:
        figure = one.figure
        arms = figure.left if figure.right is None else f"{figure.left} and {figure.right}"
        own = one.why if one.ours is None else f"{one.ours.value:.2f} ({one.ours.low:.2f}–{one.ours.high:.2f})"
        inside = "" if one.inside is None else "yes" if one.inside else "no"
        made.append((figure.quantity, figure.task, arms, figure.condition, str(figure), own, inside, figure.where))
    return tuple(made)
