"""`python -m training`: the speech, then one command per model. All of it resumes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

from cascade_equivalence.errors import UsageError
from training.sentences import WORDNET

EPILOG = """
examples:
  python -m training data --work work
  python -m training pocket-ctc --work work
  python -m training pocket-frames --work work
  python -m training pocket-ctc --work work --seed 1 --steps 500 --own-steps 0
  python -m training measure --work work --speech recordings/manifest.jsonl

One thread is used. Features go to WORK/features: `data` makes those that are missing; the other commands take what is
there, and make them only where there is no such directory. Models go to WORK/seed-N.
"""


def main() -> None:
    """Parse and do."""
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=["data", "pocket-ctc", "pocket-frames", "measure"])
    parser.add_argument("--work", type=Path, required=True, help="directory for features and checkpoints")
    parser.add_argument("--seed", type=int, default=0, help="of the training; the data are always those of seed 0")
    parser.add_argument("--steps", type=int, default=3200, help="of pocket-ctc on all speech (1 s each)")
    parser.add_argument("--own-steps", type=int, default=1600, help="of pocket-ctc on our own sentences (1.3 s each)")
    parser.add_argument("--blank-steps", type=int, default=300, help="of pocket-frames, first stage (3 s each)")
    parser.add_argument("--code-steps", type=int, default=600, help="of pocket-frames, second stage (1 s each)")
    parser.add_argument("--sound-steps", type=int, default=250, help="of pocket-frames, third stage (1 s each)")
    parser.add_argument("--loop-steps", type=int, default=360, help="of pocket-frames, fourth stage (4 s each)")
    parser.add_argument("--wordnet", type=Path, default=WORDNET, help="directory of WordNet's data files")
    parser.add_argument("--groups", default="kokoro,espeak-flite,more,second", help="speech to make and to train on")
    parser.add_argument(
        "--more", type=int, default=25000, help="further sentences of WordNet, for more hours of speech"
    )
    parser.add_argument("--examples", type=int, default=7000, help="WordNet's example sentences")
    parser.add_argument("--definitions", type=int, default=1500, help="WordNet's definitions")
    parser.add_argument("--natural", type=int, default=768, help="clips of natural voices (4 s of work each)")
    parser.add_argument("--speech", type=Path, help="measure: JSONL manifest of human speech (text, path, set)")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    if options.what == "data" or not (options.work / "features").is_dir():
        make_data(options)
    if options.what == "measure":
        from training.features import read_features
        from training.measure import measure

        examples = read_features(options.work / "features", options.groups.split(","))
        measure(options.work / f"seed-{options.seed}", examples, options.speech)
    elif options.what != "data":
        train(options)


def make_data(options: argparse.Namespace) -> None:
    """Speak and encode."""
    from training.features import make_features
    from training.sentences import training_sentences
    from training.speech import plan_speech

    sentences = training_sentences(options.examples, options.definitions, options.more, 0, options.wordnet)
    plan = plan_speech(sentences, 0)
    plan["kokoro"] = plan["kokoro"][: options.natural]
    for group in options.groups.split(","):
        if group not in plan:
            raise UsageError(f"--groups: no '{group}'; there are: {', '.join(plan)}")
        make_features(group, plan[group], options.work / "features")


def train(options: argparse.Namespace) -> None:
    """Train `pocket-ctc`, or `pocket-frames` from it."""
    import torch

    from cascade_equivalence.systems.backbone import Backbone
    from cascade_equivalence.systems.loading import Placement, locate
    from training.ctc import train_ctc
    from training.features import read_features

    examples = list(read_features(options.work / "features", options.groups.split(",")))
    directory = options.work / f"seed-{options.seed}"
    placement = Placement("cpu", "bfloat16", 8)
    backbone = Backbone.load("smollm2-135m", locate("smollm2-135m", print), placement)
    steps, own_steps, seed = options.steps, options.own_steps, options.seed
    ctc = train_ctc(examples, backbone.tokenizer, 576, whisper_rows, steps, own_steps, seed, directory)
    if options.what == "pocket-frames":
        from training.frames import Steps, train_frames

        # transformers' fused attention with a mask is several times slower backwards on a CPU.
        backbone.model.set_attn_implementation("eager")
        stages = Steps(options.blank_steps, options.code_steps, options.sound_steps, options.loop_steps)
        with torch.enable_grad():
            train_frames(examples, backbone, ctc, stages, seed, directory)


def whisper_rows(texts: list[str]) -> Tensor:
    """Whisper base's token embeddings for texts (the mean, where one is several tokens), shape (texts, 512)."""
    import torch
    from transformers import WhisperModel, WhisperTokenizer

    from cascade_equivalence.systems.loading import locate

    directory = locate("whisper-base", print)
    tokenizer: Any = WhisperTokenizer.from_pretrained(directory)
    table = WhisperModel.from_pretrained(directory).get_decoder().embed_tokens.weight.detach().float()
    return torch.stack([table[tokenizer(text, add_special_tokens=False).input_ids].mean(0) for text in texts])


if __name__ == "__main__":
    main()
