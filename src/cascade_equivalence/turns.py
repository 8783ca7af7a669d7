"""What one thread at a time may do."""

from threading import RLock

MAKING_A_MODEL = RLock()
"""Held while transformers makes a model. For that time it replaces a method of all its models
(`initialization.no_tie_weights`) and then puts back what it found: two threads at once leave every later model of the
process with weights that were never tied."""
