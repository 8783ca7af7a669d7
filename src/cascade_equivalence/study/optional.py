"""What an arm without weights needs to be asked, and the arms that a study does without where that is missing."""

from __future__ import annotations

from pathlib import Path

from cascade_equivalence.study.machine import Machine
from cascade_equivalence.study.narrow import narrow
from cascade_equivalence.study.outside import EndpointSpec, PredictionsSpec
from cascade_equivalence.study.spec import ArmSpec, Of, Study

CLIENTS = {"gemini": ("google.genai", "gemini"), "openai": ("httpx2", "remote")}
"""Protocol → the package that speaks it, and the extra that brings it."""


def available(study: Study, base: Path, machine: Machine) -> tuple[Study, dict[str, str]]:
    """The study with those of its `optional` arms that can be asked here, and why others are left out, by name.

    A study that would have no arm left is not narrowed: what it lacks then keeps it from starting.
    """
    lacks = {name: lacking(study, arm, base, machine) for name, arm in study.arms.items() if arm.optional}
    left_out = {name: "; ".join(told) for name, told in lacks.items() if told}
    kept = [name for name in study.arms if name not in left_out]
    if not left_out or not kept:
        return study, {}
    return narrow(study, kept, None), left_out


def lacking(study: Study, arm: ArmSpec, base: Path, machine: Machine) -> list[str]:
    """The keys, clients and files that an arm's models without weights need and that are not here, each with its
    cure."""
    told = []
    for name in outside(study, arm):
        match study.models[name]:
            case EndpointSpec() as spec:
                key = spec.resolved(name).key_env
                package, extra = CLIENTS[spec.endpoint]
                if key and key not in machine.keys:
                    told.append(f"{key} is not set: set it to a key for {spec.model} (model '{name}')")
                if package not in machine.packages:
                    told.append(
                        f"{package} is not installed (model '{name}'): pip install 'cascade-equivalence[{extra}]'"
                    )
            case PredictionsSpec() as spec if not (base / spec.predictions).is_file():
                told.append(f"{spec.predictions} is not there (model '{name}'): make it from ceq export --stimuli")
            case _:
                pass
    return told


def outside(study: Study, arm: ArmSpec) -> list[str]:
    """The models without weights that an arm asks."""
    llm = study.speech_llm_of(arm.llm) if isinstance(arm.llm, Of) else arm.llm
    return [
        name
        for name in (arm.asr, llm, arm.speech_llm)
        if name is not None and isinstance(study.models.get(name), EndpointSpec | PredictionsSpec)
    ]
