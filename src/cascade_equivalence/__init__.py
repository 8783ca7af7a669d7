"""cascade-equivalence: is a speech LLM more than the cascade that shares its backbone?

The public face. Names are loaded when they are first used, so importing the package costs nothing:

- two systems' answers on the same items: `compare`, `kappa`, `verdict`, `Resamples`
- a study: `Study`, `run_study`, `load_results`, and `Results.answers`, its answers as a table
- a speech LLM of one's own, in a study: `SpeechLLM.hearing`
- what is inside states: `LeaceFitter`, `LeaceEraser`, `probe`
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascade_equivalence.agreement import Resamples, compare, verdict
    from cascade_equivalence.agreement.pair import kappa
    from cascade_equivalence.mechanism.erasure import LeaceEraser, LeaceFitter
    from cascade_equivalence.mechanism.probes import probe
    from cascade_equivalence.study.go import run_study
    from cascade_equivalence.study.results import Results, load_results
    from cascade_equivalence.study.spec import Study
    from cascade_equivalence.systems.speech.speech_llm import SpeechLLM

__version__ = "0.1.0"

__all__ = [
    "LeaceEraser",
    "LeaceFitter",
    "Resamples",
    "Results",
    "SpeechLLM",
    "Study",
    "compare",
    "kappa",
    "load_results",
    "probe",
    "run_study",
    "verdict",
]

_HOMES = {
    "LeaceEraser": "mechanism.erasure",
    "LeaceFitter": "mechanism.erasure",
    "Resamples": "agreement",
    "Results": "study.results",
    "SpeechLLM": "systems.speech.speech_llm",
    "Study": "study.spec",
    "compare": "agreement",
    "kappa": "agreement.pair",
    "load_results": "study.results",
    "probe": "mechanism.probes",
    "run_study": "study.go",
    "verdict": "agreement",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has: {', '.join(__all__)}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
