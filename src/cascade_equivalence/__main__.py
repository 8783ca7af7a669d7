"""`python -m cascade_equivalence`."""

import sys

from cascade_equivalence.cli import main

sys.exit(main())
