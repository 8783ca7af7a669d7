"""Where things are in a run directory, and under which names. Imports nothing, so that reports need no models."""

JOURNAL = "journal.sqlite"
CLIPS = "clips"
STATES = "states"

GOLD_CONDITION = "text"
"""The condition under which answers to the gold text are filed: no audio is involved, so it is asked once."""
