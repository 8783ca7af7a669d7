"""Agreement of two systems on the same items: pure functions, arrays in, frozen results out."""

from .interval import Interval, wilson
from .kappa import KappaEstimate, KappaGap, marginals
from .multiplicity import adjust
from .overlap import ErrorOverlap
from .pair import INVALID, Accuracy, PairAgreement, compare
from .paired import Equivalence, McNemar, mcnemar, newcombe, tango, tost
from .resample import Resamples
from .verdict import GoldArm, Verdict, family, kappa_gap, verdict

__all__ = [
    "INVALID",
    "Accuracy",
    "Equivalence",
    "ErrorOverlap",
    "GoldArm",
    "Interval",
    "KappaEstimate",
    "KappaGap",
    "McNemar",
    "PairAgreement",
    "Resamples",
    "Verdict",
    "adjust",
    "compare",
    "family",
    "kappa_gap",
    "marginals",
    "mcnemar",
    "newcombe",
    "tango",
    "tost",
    "verdict",
    "wilson",
]
