"""The paper's figures (arXiv 2602.17598, v2), and ours beside them where a study's models and data are the paper's.

Collected from the paper's abstract and opening and from reading notes; its full tables were not to be had. Accuracies,
drops, κ, R² and 1 − CER are fractions.
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
    ("openai/whisper-large-v3", "Qwen/Qwen2-7B-Instruct"): "Qwen2-Audio's cascade",
    ("openai/whisper-large-v3", "meta-llama/Llama-3.1-8B-Instruct"): "Ultravox's cascade",
    ("openai/whisper-large-v3", "microsoft/Phi-4-mini-instruct"): "Phi-4-MM's cascade",
}
"""(ASR, LLM) → the paper's name of the cascade."""

GEMINI = "Gemini 2.0 Flash"
GONE: Mapping[str, str] = {GEMINI: "it was shut down on 1 June 2026, and no other model is it"}
"""Systems of the paper that nobody can run again, with the reason."""

ANY = ""
"""As a figure's task: over the clips of all tasks."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One published figure.

    quantity: kappa, error overlap, accuracy, drop; inside a speech LLM: ctc probe, pitch probe, lens precision,
    implicit kappa, implicit cascade kappa, accuracy erased. right: the other arm, where there is one. condition: what
    was heard, or (accuracy erased) what was erased. layer: None where the figure is of none, or of all. low, high: the
    same where it is no range; over: what a range is over.
    """

    quantity: str
    task: str
    left: str
    right: str | None
    condition: str
    low: float
    high: float
    where: str
    layer: int | None = None
    over: str = ""


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
            yield Figure("kappa", task, system, f"{system}'s cascade", "clean", value, value, "Figure 1")
    yield Figure("kappa", "CommonsenseQA", "Ultravox", "Cascade-S", "clean", 0.65, 0.65, "Figure 1")
    for task in ("AG News", "SST-2", "CommonsenseQA"):
        yield Figure("kappa", task, GEMINI, "Cascade-S", "clean", 0.74, 0.92, "Figure 1", over="tasks")
    yield Figure("kappa", "CommonsenseQA", "Cascade-S", "Cascade-W", "clean", 0.96, 0.96, "Text")
    for task in ("AG News", "SST-2"):
        yield Figure("kappa", task, "Cascade-S", "Cascade-W", "clean", 0.93, 0.98, "Text", over="tasks")


def _overlaps() -> Iterable[Figure]:
    for task, system, value in (
        ("AG News", "Ultravox", 0.96),
        ("AG News", "Phi-4-MM", 0.94),
        ("MELD", "Ultravox", 0.68),
        ("MELD", "Phi-4-MM", 0.44),
    ):
        yield Figure("error overlap", task, system, f"{system}'s cascade", "clean", value, value, "Figure 2")


def _accuracies() -> Iterable[Figure]:
    for task, system, value in (
        ("AG News", "Ultravox", 0.829),
        ("SST-2", "Ultravox", 0.861),
        ("AG News", "Qwen2-Audio", 0.806),
        ("SST-2", "Qwen2-Audio", 0.830),
    ):
        yield Figure("accuracy", task, system, None, "clean", value, value, "Table 7")
    yield Figure("accuracy", "SST-2", GEMINI, None, "clean", 0.904, 0.904, "Text")
    yield Figure("accuracy", "SST-2", GEMINI, None, "babble@0dB", 0.802, 0.802, "Text")


def _drops() -> Iterable[Figure]:
    yield Figure("drop", "SST-2", "Cascade-S", None, "babble@0dB", 0.026, 0.026, "Text")
    for task in ("AG News", "CommonsenseQA"):
        yield Figure("drop", task, "Cascade-S", None, "babble@0dB", 0.005, 0.042, "Text", over="tasks")
    for task in ("AG News", "SST-2", "CommonsenseQA"):
        for system in SYSTEMS.values():
            yield Figure("drop", task, system, None, "babble@0dB", 0.039, 0.127, "Text", over="systems and tasks")


def _inside() -> Iterable[Figure]:
    for system, layers in {"Ultravox": {0: 0.03, 31: 0.20}, "Qwen2-Audio": {0: 0.50, 31: 0.29}}.items():
        for layer, value in layers.items():
            yield Figure("ctc probe", ANY, system, None, "clean", value, value, "Table 4", layer)
        yield Figure("pitch probe", ANY, system, None, "clean", 0.29, 1.0, "Table 4", over="layers")
    for system, layer, value in (("Ultravox", 31, 0.342), ("Qwen2-Audio", 28, 0.226)):
        yield Figure("lens precision", ANY, system, None, "clean", value, value, "Table 5", layer)
    for task, value in (("AG News", 0.943), ("SST-2", 0.14), ("CommonsenseQA", 0.25)):
        yield Figure("implicit kappa", task, "Ultravox", None, "clean", value, value, "Table 6", 31)
    yield Figure("implicit cascade kappa", "AG News", "Ultravox", None, "clean", 0.933, 0.933, "Table 6")
    erased: Mapping[str, Mapping[str, tuple[float | None, float | None]]] = {
        "Ultravox": {
            "proxy": (0.0, 0.0), "ctc": (0.09, None), "bag": (0.059, None), "random": (0.789, 0.846),
            "acoustic": (0.70, 0.704),
        },
        "Qwen2-Audio": {
            "proxy": (0.0, 0.0), "bag": (0.201, None), "random": (0.74, 0.795), "acoustic": (0.751, 0.791),
        },
    }  # fmt: skip
    for system, concepts in erased.items():
        for concept, values in concepts.items():
            for task, found in zip(("AG News", "SST-2"), values, strict=True):
                if found is not None:
                    yield Figure("accuracy erased", task, system, None, concept, found, found, "Table 7")


FIGURES: tuple[Figure, ...] = (*_kappas(), *_overlaps(), *_accuracies(), *_drops(), *_inside())


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
    ours: Callable[[Figure, str, str, str | None], Ours | None],
    figures: Sequence[Figure] = FIGURES,
    partial: Mapping[str, str] | None = None,
) -> tuple[Beside, ...]:
    """The paper's figures with ours, in the paper's order.

    arms: our arm → the paper's name of it (`paper_name`), None for any other. tasks: our task → the data set it is of.
    ours: (figure, our task or ANY, left arm, right arm or None) → our figure, or None where there is none. Figures
    whose models or data the study has not got are there with the reason: "not compared: …". partial: the paper's task →
    why a study's part of its data set does not count.
    """
    arm_of = {paper: name for name, paper in reversed(list(arms.items())) if paper}
    task_of = {TASKS[dataset]: name for name, dataset in tasks.items() if dataset in TASKS} | {ANY: ANY}
    return tuple(_beside(figure, arm_of, task_of, partial or {}, ours) for figure in figures)


def _beside(
    figure: Figure,
    arm_of: Mapping[str, str],
    task_of: Mapping[str, str],
    partial: Mapping[str, str],
    ours: Callable[[Figure, str, str, str | None], Ours | None],
) -> Beside:
    names = [name for name in (figure.left, figure.right) if name is not None]
    if gone := [name for name in names if name in GONE]:
        return Beside(figure, None, None, f"not compared: {gone[0]}: {GONE[gone[0]]}")
    if figure.task not in task_of:
        why = partial.get(figure.task, f"the paper's {figure.task} is not among the tasks")
        return Beside(figure, None, None, f"not compared: {why}")
    if absent := [name for name in names if name not in arm_of]:
        return Beside(figure, None, None, f"not compared: no arm is the paper's {' nor '.join(absent)}")
    right = None if figure.right is None else arm_of[figure.right]
    own = ours(figure, task_of[figure.task], arm_of[figure.left], right)
    if own is None:
        return Beside(figure, None, None, "not compared: this run has no such figure")
    return Beside(figure, own, figure.low <= own.high and figure.high >= own.low, "")


def paper_name(speech: str | None, asr: str | None, llm: str | None) -> str | None:
    """The paper's name of an arm by the hub ids of its parts, or None: `speech` of a speech LLM, else ASR and LLM."""
    if speech is not None:
        return SYSTEMS.get(speech)
    return CASCADES.get((asr or "", llm or ""))
