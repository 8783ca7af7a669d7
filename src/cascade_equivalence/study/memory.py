"""Whether the arms of a study fit in the memory that each of its workers may use."""

from __future__ import annotations

from dataclasses import replace

from cascade_equivalence.errors import UsageError
from cascade_equivalence.run.plan import ArmPlan, Plan
from cascade_equivalence.study.record import weight_bytes


def refuse_too_large(plan: Plan, gigabytes: float | None) -> None:
    """Raise `UsageError`, naming the arm, where its weights alone are more than a worker's memory (GB, 1e9 bytes).

    None: no limit was named. Arms whose weights are not known beforehand pass.
    """
    for arm in plan.arms if gigabytes is not None else ():
        needed = at_once(plan, arm)
        if needed is not None and gigabytes is not None and needed > gigabytes * 1e9:
            raise UsageError(
                f"arm '{arm.name}' holds {needed / 1e9:.2f} GB of weights at once, and memory: allows a worker "
                f"{gigabytes:g} GB; allow more, set dtype: bfloat16, or leave the arm out"
            )


def at_once(plan: Plan, arm: ArmPlan) -> int | None:
    """Bytes of the weights that an arm needs at the same time: its ASR is released before its LLM is loaded."""
    total = weight_bytes(plan, arm)
    if total is None or arm.asr is None:
        return total
    alone = weight_bytes(plan, replace(arm, kind="gold", asr=None, answers=arm.asr, llm=arm.asr)) or 0
    return max(alone, total - alone)
