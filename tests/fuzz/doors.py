"""All doors."""

from __future__ import annotations

from tests.fuzz.files import ARCHIVES, LOGS_DOOR, PREDICTIONS
from tests.fuzz.runs import CLIPS, JOURNALS
from tests.fuzz.sounds import SOUND
from tests.fuzz.studies import MANIFESTS, STUDIES
from tests.fuzz.weights import CACHE, CHECKPOINTS

DOORS = (LOGS_DOOR, ARCHIVES, PREDICTIONS, STUDIES, MANIFESTS, SOUND, JOURNALS, CLIPS, CHECKPOINTS, CACHE)
