"""Lay out the corpus: which text is spoken by which voice. Run once, before `make.py`.

    python corpus/plan.py topic --texts topic.jsonl     # rows: id, text, label, choices?, split
    python corpus/plan.py rendering                     # from texts/rendering.json
    python corpus/plan.py babble                        # from texts/babble.json
    python corpus/plan.py retest                        # from the finished topic manifest

Writes a manifest whose `sha256` are still empty; `make.py` fills them.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CORPUS = HERE.parent / "src/cascade_equivalence/tasks/corpus"
CLOSED = {
    "topic": ["World", "Sports", "Business", "Sci/Tech"],
    "sentiment": ["negative", "positive"],
    "emotion": ["neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"],
    "sarcasm": ["sarcastic", "not sarcastic"],
}
TASKS = [*CLOSED, "commonsense", "trivia"]
RETEST_ITEMS = 60

# tempo against the voice's own; pitch: factor on F0 (formants move with it); level: dBFS
FAST, SLOW = 1.22, 0.82
HIGH_LOUD, LOW_SOFT = (1.13, -18.0), (0.89, -36.0)
RENDERINGS = {
    "fast-high-loud": (FAST, *HIGH_LOUD),
    "slow-low-soft": (SLOW, *LOW_SOFT),
    "fast-low-soft": (FAST, *LOW_SOFT),
    "slow-high-loud": (SLOW, *HIGH_LOUD),
}

Row = dict[str, Any]


def voices(role: str) -> list[str]:
    """The voices of one role, in the published order."""
    roles: dict[str, list[str]] = json.loads((CORPUS / "voices.json").read_text())["roles"]
    return roles[role]


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def write(name: str, rows: list[Row]) -> None:
    """Write a manifest, columns in the order in which the rows hold them."""
    path = CORPUS / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    print(f"{path.name}: {len(rows)} rows")


def shuffled(rows: list[Row], salt: str) -> list[Row]:
    """In an order that depends on the ids alone."""
    return sorted(rows, key=lambda row: hashlib.sha256(f"{salt}/{row['id']}".encode()).digest())


def assign(rows: list[Row], names: list[str], salt: str) -> dict[str, str]:
    """Voice by item id: each (split, label) goes round the voices, from where the last one stopped."""
    cells: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        cells[row["split"], row["label"] if isinstance(row["label"], str) else ""].append(row)
    wheel = itertools.cycle(names)
    return {row["id"]: next(wheel) for cell in sorted(cells) for row in shuffled(cells[cell], salt)}


def items(task: str, texts: Path) -> list[Row]:
    chosen = read(texts)
    speaker = assign(chosen, voices("evaluation"), task)
    rows = []
    for item in chosen:
        row: Row = {"id": item["id"], "text": item["text"], "audio": f"audio/{task}/{item['id']}.ogg"}
        if "choices" in item or task in CLOSED:
            row["choices"] = item.get("choices", CLOSED.get(task))
        row |= {"label": item["label"], "speaker": speaker[item["id"]], "split": item["split"], "sha256": ""}
        if task in ("emotion", "sarcasm"):
            row["meta"] = {"labelled_by": "words"}
        rows.append(row)
    return rows


def rendering() -> list[Row]:
    sentences = json.loads((HERE / "texts/rendering.json").read_text(encoding="utf-8"))
    names = voices("evaluation")
    cells: list[Row] = []
    for split in ("test", "dev"):
        for number, text in enumerate(sentences[split]):
            # Development needs few clips: each of its sentences goes to every second voice.
            speakers = names if split == "test" else names[number % 2 :: 2]
            for voice, (label, (tempo, pitch, level)) in itertools.product(speakers, RENDERINGS.items()):
                cells.append(
                    {
                        "id": f"{split}/{number}/{voice}/{label}",
                        "text": text,
                        "label": label,
                        "speaker": voice,
                        "group": f"rendering-{split}-{number + 1}",
                        "split": split,
                        "meta": {"tempo": tempo, "pitch": pitch, "level_dbfs": level},
                    }
                )
    rows = []
    # Numbered in shuffled order, so that neither id nor file name gives the label away.
    ordered = sorted(shuffled(cells, "rendering"), key=lambda cell: cell["split"] != "test")
    for number, cell in enumerate(ordered, 1):
        name = f"rendering-{number:03d}"
        rows.append(
            {
                "id": name,
                "text": cell["text"],
                "audio": f"audio/rendering/{name}.ogg",
                "choices": list(RENDERINGS),
                "label": cell["label"],
                "speaker": cell["speaker"],
                "group": cell["group"],
                "split": cell["split"],
                "sha256": "",
                "meta": cell["meta"],
            }
        )
    return rows


def babble() -> list[Row]:
    texts = json.loads((HERE / "texts/babble.json").read_text(encoding="utf-8"))["texts"]
    pairs = zip(texts, itertools.cycle(voices("babble")), strict=False)
    return [
        {
            "id": f"babble-{number}",
            "text": text,
            "audio": f"audio/babble/babble-{number}.ogg",
            "speaker": voice,
            "sha256": "",
        }
        for number, (text, voice) in enumerate(pairs, 1)
    ]


def retest() -> list[Row]:
    """Equally many test items of each topic, spoken by the voice half the list further on."""
    names = voices("evaluation")
    cells: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in read(CORPUS / "topic.jsonl"):
        if row["split"] == "test":
            cells[row["label"], row["speaker"]].append(row)
    each = RETEST_ITEMS // len(CLOSED["topic"])
    chosen: list[Row] = []
    for place, label in enumerate(CLOSED["topic"]):
        # One item per voice and a second one for half of the voices, a different half from label to label.
        ranked = [
            row
            for depth in range(2)
            for voice in names[5 * (place % 2) :] + names[: 5 * (place % 2)]
            for row in shuffled(cells[label, voice], "retest")[depth : depth + 1]
        ]
        chosen += ranked[:each]
    rows = []
    for row in sorted(chosen, key=lambda row: str(row["id"])):
        name = f"{row['id']}-retest"
        other = names[(names.index(row["speaker"]) + len(names) // 2) % len(names)]
        head = {"id": name, "of": row["id"], "text": row["text"], "audio": f"audio/retest/{name}.ogg"}
        rows.append(
            head
            | {
                "choices": row["choices"],
                "label": row["label"],
                "speaker": other,
                "split": "test",
                "sha256": "",
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[*TASKS, "rendering", "babble", "retest"])
    parser.add_argument("--texts", type=Path, help="labelled texts of a task (JSONL)")
    given = parser.parse_args()
    if given.name in TASKS:
        if given.texts is None:
            parser.error("--texts is needed for the items of a task")
        write(given.name, items(given.name, given.texts))
    else:
        write(given.name, {"rendering": rendering, "babble": babble, "retest": retest}[given.name]())


if __name__ == "__main__":
    main()
