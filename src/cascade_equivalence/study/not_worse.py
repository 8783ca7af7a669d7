"""Whether systems are not worse than another one: the one-sided question that a continuous check asks of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cascade_equivalence.agreement import Interval, PairAgreement, tost
from cascade_equivalence.agreement.parts import ALPHA
from cascade_equivalence.agreement.verdict import FEWEST_UNITS
from cascade_equivalence.errors import UsageError
from cascade_equivalence.study.arms import Arm
from cascade_equivalence.study.choices import head_group
from cascade_equivalence.study.conditions import CLEAN, is_control
from cascade_equivalence.study.groups import Cells, Group, groups_of
from cascade_equivalence.study.results import Results

Status = Literal["not worse", "worse", "open"]


@dataclass(frozen=True, slots=True)
class NotWorse:
    """One system against another on one task (or the pooled ones) and condition.

    difference: its accuracy less the other's, with two one-sided 95 % bounds. p: of the null that it is worse by the
    margin or more. why_open: why nothing is stated whatever the figures are.
    """

    arm: str
    than: str
    task: str
    condition: str
    margin: float
    n: int
    difference: Interval
    p: float | None
    status: Status
    why_open: str | None = None

    def to_json(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__} | {"difference": self.difference.to_json()}


def not_worse(
    results: Results,
    than: str,
    *,
    margin: float,
    arms: Sequence[str] = (),
    task: str | None = None,
    condition: str = CLEAN,
) -> tuple[NotWorse, ...]:
    """Each of `arms` (default: every speech LLM that is not planted) against the arm `than`.

    Non-inferiority by a one-sided score test at 5 % (Tango 1998): not worse where the lower bound of the difference is
    above −margin, worse where the upper bound is below it. To find that all of them are not worse needs no adjustment,
    as each must be found so. task: default the pooled tasks, or what the head of the report speaks of. Raises
    `UsageError` for what the run has not.
    """
    by_name = {name: arm for arm in results.arms for name in (arm.name, *arm.same)}
    other = _known(by_name, than)
    group = _group(results, task)
    if condition not in group.conditions or is_control(condition):
        heard = [c for c in group.conditions if not is_control(c)]
        raise UsageError(f"'{condition}' is no condition of {group.name} in this run; there are: {', '.join(heard)}")
    if not all(t.has_gold for t in group.tasks):
        raise UsageError(f"{group.name} has items without a label: accuracies cannot be compared")
    chosen = [_known(by_name, name) for name in arms] or [
        arm for arm in results.arms if arm.kind == "speech" and not arm.planted and arm != other
    ]
    if not chosen:
        raise UsageError(f"no speech LLM to check in this run; name one with --arm: {', '.join(by_name)}")
    if other in chosen:
        raise UsageError(f"'{than}' is the same system as the one that is to be checked against it")
    cells = Cells(results.study, results.cells)
    unique = {arm.name: arm for arm in chosen}.values()
    return tuple(_found(results, cells, group, condition, margin, arm, other) for arm in unique)


def _found(
    results: Results, cells: Cells, group: Group, condition: str, margin: float, left: Arm, right: Arm
) -> NotWorse:
    sides = [cells.of(group, condition, arm.name) for arm in (left, right)]
    pair = cells.pair(group, sides[0], sides[1])
    if pair is None or pair.mcnemar is None:
        nothing = f"no items that both {left.name} and {right.name} have answered"
        return NotWorse(left.name, right.name, group.name, condition, margin, 0, Interval(None), None, "open", nothing)
    effect = pair.design_effect
    found = tost(pair.mcnemar.b / effect, pair.mcnemar.c / effect, pair.n_gold / effect, margin, clusters=pair.clusters)
    why = _why_open(results, group, pair, (left, right))
    if why is None and any(cell.n < cell.wanted for side in sides for cell in side or ()):
        why = "interim: not all planned trials are done"
    p = 1.0 - found.p_worse
    status: Status = "not worse" if p <= ALPHA else "worse" if found.p_worse <= ALPHA else "open"
    return NotWorse(
        left.name,
        right.name,
        group.name,
        condition,
        margin,
        pair.n_gold,
        found.interval,
        p,
        "open" if why else status,
        why,
    )


def _why_open(results: Results, group: Group, pair: PairAgreement, arms: Sequence[Arm]) -> str | None:
    """What keeps any statement from being made: the rule of the verdict."""
    for arm in arms:
        proof = (results.hearing or {}).get(arm.name)
        if (
            arm.kind == "speech"
            and not arm.looked_up
            and results.hearing is not None
            and (proof is None or not proof.passed)
        ):
            return f"{arm.name} is not shown to hear" if proof is None else f"{arm.name}: {proof.reason}"
    gold = results.gold_arms.get(group.name)
    if gold is not None and not gold.measures:
        return gold.reason
    units = pair.n if pair.clusters is None else pair.clusters
    if units < FEWEST_UNITS:
        of = "items" if pair.clusters is None else "groups of items"
        return f"{units} {of} are too few (at least {FEWEST_UNITS})"
    return None


def _group(results: Results, task: str | None) -> Group:
    if task is None:
        return head_group(results.tasks)
    groups = {group.name: group for group in groups_of(results.tasks)}
    if task not in groups:
        raise UsageError(f"no task '{task}' in this run; there are: {', '.join(groups)}")
    return groups[task]


def _known(by_name: dict[str, Arm], name: str) -> Arm:
    if name not in by_name:
        raise UsageError(f"no arm '{name}' in this run; there are: {', '.join(by_name)}")
    return by_name[name]
