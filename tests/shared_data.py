"""Where the optional folder of real data is; the tests that need it are skipped where it is not."""

import os
from pathlib import Path

SHARED = Path(os.environ.get("CEQ_SHARED", Path(__file__).resolve().parents[2] / "shared"))
