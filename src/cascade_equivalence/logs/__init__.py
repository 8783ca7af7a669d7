"""Reads other tools' prediction files into the arrays that `agreement` takes."""

from .join import Joined, join, with_other
from .predictions import Predictions
from .read import read, read_pair

__all__ = ["Joined", "Predictions", "join", "read", "read_pair", "with_other"]
