"""The head of a report as data: every figure as it is shown, so that it is the same in the terminal and on the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cascade_equivalence.agreement import Interval, Verdict

Mark = Literal["yes", "warn", "no"]


@dataclass(frozen=True, slots=True)
class Card:
    """One speech LLM against one cascade.

    role: what the cascade is to it. more: the one-sided answer. accuracy, answers: figures in words; difference: the
    95 % interval of D; bounds: the one-sided ones that the verdict rests on. ceiling: what two cascades reach, None
    where the answers are not judged. shift: how much of what
    differs is a shift of labels. words: its word errors. decide: what would decide it. primary: whether its verdict
    is one of those adjusted for their number.
    """

    arm: str
    against: str
    role: str
    planted: bool
    verdict: Verdict | None
    title: str
    more: str
    accuracy: str
    difference: Interval
    bounds: Interval
    margin: float
    answers: str
    kappa: Interval
    ceiling: float | None
    shift: str | None
    words: str
    decide: str | None
    primary: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A system in “Which one to build?”. system: whether it can be built (the true text cannot)."""

    arm: str
    what: str
    system: bool
    pick: bool
    note: str
    clean: str
    noise: str | None
    p50: str
    stages: str
    p95: str
    compute: str
    price: str | None
    weights: str | None


@dataclass(frozen=True, slots=True)
class Build:
    """The table, the recommendation, and what must be known of its figures. Titles are None where a column is empty."""

    setting: str
    clean_title: str
    noise_title: str | None
    price_title: str | None
    weights_title: str | None
    rows: tuple[Row, ...]
    advice: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of “Can this be trusted?”. brief: in a few words, for the terminal."""

    mark: Mark
    text: str
    brief: str


@dataclass(frozen=True, slots=True)
class Head:
    """What a report begins with. scope: what its figures rest on; further: tasks that they do not rest on. warnings:
    why the figures are preliminary, or what failed. adjusted: how many verdicts are adjusted for their number, said
    once.
    """

    study: str
    scope: str
    further: str | None
    headline: str
    lead: tuple[str, ...]
    warnings: tuple[str, ...]
    cards: tuple[Card, ...]
    build: Build | None
    checks: tuple[Check, ...]
    adjusted: str
