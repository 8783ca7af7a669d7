"""What conditions cost, and whether the SNR of what is stored is the one that was asked for.

    python benchmarks/conditions.py [--clips 500] [--part cost|snr|all]

cost: milliseconds per clip of each step on the shipped topic items, wall and processor, the median; what happens once
(reading talkers, making rooms, finding delays) apart. snr: random cuts of shipped speech at random levels under random
noise, stored as FLAC, read back by soundfile and measured against the clean clip by code of its own. Exit status 1 if
an error passes 0.1 dB.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from cascade_equivalence.audio.babble import read_talkers
from cascade_equivalence.audio.clip import read_clip, stored
from cascade_equivalence.audio.condition import parse_condition
from cascade_equivalence.audio.degrade import degrade
from cascade_equivalence.audio.store import ClipStore
from cascade_equivalence.tasks.task import corpus_dir, load_task

SEED = 20_240
BAR = 0.1
STEPS = (
    "babble@5dB", "noise:white@5dB", "noise:pink@5dB", "noise:brown@5dB", "noise:{folder}@5dB",
    "reverb@0.3s", "reverb@0.6s", "reverb:{response}", "far_field@2m",
    "codec:opus@16k", "codec:opus@32k", "codec:mp3@32k", "codec:ulaw", "codec:gsm", "narrowband",
    "packet_loss@10%", "packet_loss:concealed@10%", "clip@12dB", "gain@-20dB", "speed@1.1", "silence",
    "reverb@0.6s+babble@5dB+codec:gsm",
)  # fmt: skip


def talkers():
    return read_talkers(corpus_dir() / "babble.jsonl")


def cost(count: int, folder: Path) -> None:
    items = load_task("topic", limit=count).items
    generator = np.random.default_rng(SEED)
    (folder / "noise").mkdir()
    soundfile.write(folder / "noise" / "a.wav", 0.1 * generator.normal(size=60 * 16_000), 16_000)
    decay = np.exp(-np.arange(8000) / 1000) * generator.normal(size=8000)
    soundfile.write(folder / "hall.wav", decay / np.abs(decay).max(), 16_000)

    clips, reading = [], time.perf_counter()
    for item in items:
        clips.append(read_clip(item.audio))
    reading = (time.perf_counter() - reading) / len(items)
    store, storing = ClipStore(folder / "clips"), time.perf_counter()
    for clip in clips:
        store.put(clip)
    storing = (time.perf_counter() - storing) / len(items)
    seconds = np.mean([clip.seconds for clip in clips])
    print(f"{len(clips)} clips of {seconds:.1f} s on average; reading {1e3 * reading:.1f} ms, hashing and storing")
    print(f"{1e3 * storing:.1f} ms a clip\n")
    print(f"{'condition':34} {'ms a clip':>9} {'of processor':>12} {'once, ms':>9}")
    for text in STEPS:
        condition = parse_condition(text.format(folder="noise", response="hall.wav"), folder)
        times, processor = [], []
        for clip in clips:
            start, before = time.perf_counter(), time.process_time()
            degrade(clip, condition, talkers, SEED, "benchmark")
            times.append(time.perf_counter() - start)
            processor.append(time.process_time() - before)
        # Rooms are made when first met: the median is what a clip costs once they are there.
        usual = float(np.median(times[1:]))
        once = sum(times) - usual * len(times)
        busy = float(np.median(processor[1:]))
        print(f"{condition.name:34} {1e3 * usual:9.1f} {1e3 * busy:12.1f} {1e3 * max(0, once):9.0f}")


def active_db(samples: np.ndarray) -> float:
    """Level of the 20 ms frames within 30 dB of the 95th percentile of frame energies."""
    energies = np.array([np.dot(f, f) / 320 for f in np.split(samples, range(320, len(samples), 320)) if len(f) == 320])
    return 10 * np.log10(energies[energies > np.percentile(energies, 95) / 1000].mean())


def snr(count: int, folder: Path) -> bool:
    generator = np.random.default_rng(SEED)
    speech = [read_clip(item.audio).samples for task in ("topic", "sentiment") for item in load_task(task).items]
    store = ClipStore(folder / "clips")
    free, scaled, longest = [], [], 0.0
    for number in range(count):
        source = speech[int(generator.integers(len(speech)))]
        length = min(len(source), int(generator.uniform(1.0, 6.0) * 16_000))
        start = int(generator.integers(len(source) - length + 1))
        cut = source[start : start + length]
        level = 10 ** (generator.uniform(-36, -14) / 20)
        clean = stored(np.clip(cut * np.float32(level / np.sqrt(np.mean(cut**2))), -0.98, 0.98))
        wanted = int(generator.choice([25, 20, 15, 10, 5, 0, -5]))
        kind = generator.choice(["babble", "noise:white", "noise:pink", "noise:brown"])
        made = degrade(clean, parse_condition(f"{kind}@{wanted}dB"), talkers, SEED, f"clip {number}")
        integers, _ = soundfile.read(store.put(made.clip), dtype="int16")
        samples = integers / 32767
        speech_db = active_db(clean.samples.astype(np.float64))
        # Where both were scaled, the journalled factor gives the noise back.
        noise = samples / made.scale - clean.samples
        error = speech_db - 10 * np.log10(np.mean(noise**2)) - wanted
        (free if made.scale == 1 else scaled).append(error)
        longest = max(longest, abs(made.snr_db - wanted))
    for name, errors in (("not rescaled", free), ("rescaled, by the factor kept", scaled)):
        if errors:
            size = np.abs(errors)
            print(
                f"{name}: {len(errors)} clips, SNR error at most {size.max():.4f} dB, on average {size.mean():.5f} dB"
            )
    print(f"the SNR journalled is off by at most {longest:.6f} dB")
    return max(np.abs(free + scaled)) <= BAR


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--clips", type=int, default=500, help="clips of the SNR check; a twentieth of them for the cost"
    )
    parser.add_argument("--part", choices=["cost", "snr", "all"], default="all")
    arguments = parser.parse_args()
    right = True
    with tempfile.TemporaryDirectory() as name:
        if arguments.part in ("cost", "all"):
            cost(max(2, arguments.clips // 20), Path(name))
            print()
        if arguments.part in ("snr", "all"):
            right = snr(arguments.clips, Path(name))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
