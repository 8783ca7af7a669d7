"""Agreement of two systems on the same items: pure functions, arrays in, frozen results out."""

from .crossing import Crossing, crossing
from .dependence import Dependence, within_transcript
from .family import family
from .gap import gap_of
from .gold_arm import GoldArm
from .information import PredictiveInformation, predictive_information
from .interval import Interval, wilson
from .kappa import KappaEstimate, KappaGap, marginals
from .kinds import Kind, Name
from .label_shift import LabelShift, label_shift
from .multiplicity import adjust
from .named import INVALID
from .overlap import ErrorOverlap
from .pair import Accuracy, PairAgreement, compare
from .paired import Equivalence, McNemar, mcnemar, newcombe, tango, tost
from .parts import AccuracyPart, AnswersPart
from .resample import Resamples
from .spectrum import Place, Reversal, confound, place, reversal
from .verdict import Verdict, verdict

__all__ = [
    "INVALID",
    "Accuracy",
    "AccuracyPart",
    "AnswersPart",
    "Crossing",
    "Dependence",
    "Equivalence",
    "ErrorOverlap",
    "GoldArm",
    "Interval",
    "KappaEstimate",
    "KappaGap",
    "Kind",
    "LabelShift",
    "McNemar",
    "Name",
    "PairAgreement",
    "Place",
    "PredictiveInformation",
    "Resamples",
    "Reversal",
    "Verdict",
    "adjust",
    "compare",
    "confound",
    "crossing",
    "family",
    "gap_of",
    "label_shift",
    "marginals",
    "mcnemar",
    "newcombe",
    "place",
    "predictive_information",
    "reversal",
    "tango",
    "tost",
    "verdict",
    "wilson",
    "within_transcript",
]
