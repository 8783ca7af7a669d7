"""`python -m cascade_equivalence.pocket.training`: data, then one command per model."""

from __future__ import annotations

import argparse
from pathlib import Path

from cascade_equivalence.pocket.training.features import make_features
from cascade_equivalence.pocket.training.sentences import WORDNET, training_sentences
from cascade_equivalence.pocket.training.speech import plan_speech


def main() -> None:
    """Parse and do."""
    parser = argparse.ArgumentParser(prog="python -m cascade_equivalence.pocket.training", description=__doc__)
    parser.add_argument("what", choices=["data"])
    parser.add_argument("--work", type=Path, required=True, help="directory for features and checkpoints")
    parser.add_argument("--wordnet", type=Path, default=WORDNET)
    parser.add_argument("--engines", default="flite,espeak,kokoro", help="which voices to make now")
    parser.add_argument("--examples", type=int, default=7000)
    parser.add_argument("--definitions", type=int, default=1500)
    parser.add_argument("--natural", type=int, default=900)
    options = parser.parse_args()
    own, other = training_sentences(options.examples, options.definitions, 0, options.wordnet)
    plan = plan_speech(own, other, options.natural, 0)
    engines = options.engines.split(",")
    for group in (["kokoro"], ["espeak", "flite"]):
        if set(group) <= set(engines):
            make_features([u for u in plan if u.engine in group], options.work / "features")


if __name__ == "__main__":
    main()
