"""Files of the published layouts, built from real items: what the hub would send, without the hub."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

Row = dict[str, Any]

TOPICS = ["World", "Sports", "Business", "Sci/Tech"]
NAMES = {
    "ag_news": "data/test-00000-of-00001.parquet",
    "sst2": "data/validation-00000-of-00001.parquet",
    "commonsenseqa": "data/validation-00000-of-00001.parquet",
    "triviaqa": "rc.nocontext/validation-00000-of-00001.parquet",
    "meld": "data/test-00000-of-00002.parquet",
    "mustard": "data/test-00000-of-00001-b76c2002fce33bd6.parquet",
}


def items(shared: Path, name: str) -> list[Row]:
    """The real items of a task."""
    lines = (shared / "tasks" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def raw_news(item: Row) -> str:
    """Title and body as the hub joins them."""
    return f"{item['meta']['raw_title']} {item['meta']['raw_description']}"


def rows(name: str, real: Sequence[Row], clips: Iterator[bytes] | None = None) -> list[Row]:
    """The hub's rows of real items; `clips` are the sounds of recorded sets, one an item."""
    return [_row(name, at, item, next(clips) if clips else None) for at, item in enumerate(real)]


def _row(name: str, at: int, item: Row, clip: bytes | None) -> Row:
    meta = item["meta"]
    sound = {"audio": {"bytes": clip, "path": f"{item['id']}.wav"}}
    if name == "ag_news":
        return {"text": raw_news(item), "label": TOPICS.index(item["label"])}
    if name == "sst2":
        # The hub's sentences end with a space.
        return {"idx": at, "sentence": meta["raw_text"] + " ", "label": ["negative", "positive"].index(item["label"])}
    if name == "commonsenseqa":
        options = {key: [choice[key] for choice in item["choices"]] for key in ("label", "text")}
        return {
            "id": item["id"], "question": item["question"], "question_concept": meta["question_concept"],
            "choices": options, "answerKey": item["label"],
        }  # fmt: skip
    if name == "triviaqa":
        aliases = item["label"]
        answer = {"value": aliases[0], "aliases": aliases, "normalized_aliases": [a.lower() for a in aliases]}
        return {"question": item["text"], "question_id": item["id"], "question_source": "", "answer": answer}
    if name == "meld":
        return {
            "Sr No.": meta["sr_no"], "Utterance": meta["raw_text"], "Speaker": meta["speaker"],
            "Emotion": item["label"], "Sentiment": meta["sentiment"], "Dialogue_ID": meta["dialogue_id"],
            "Utterance_ID": meta["utterance_id"], "Season": meta["season"], "Episode": meta["episode"],
            "StartTime": meta["start"], "EndTime": meta["end"], "video_path": "", "WavPath": "", **sound,
        }  # fmt: skip
    return {
        "file": f"{item['id']}.wav", **sound, "utterance": meta["raw_text"], "speaker": meta["speaker"],
        "context": meta["context"], "context_speakers": meta["context_speakers"], "show": meta["show"],
        "label": item["label"] == "sarcastic", "instruction": "Is it sarcastic?",
    }  # fmt: skip


def write(name: str, made: Sequence[Row], folder: Path, parts: int = 1) -> Path:
    """Write rows as the hub does: Parquet with the features in its metadata, in `parts` files; returns the folder."""
    names = {"ag_news": TOPICS, "sst2": ["negative", "positive"]}.get(name)
    features: dict[str, Any] = {"label": {"names": names, "_type": "ClassLabel"}} if names else {}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    schema = pa.Table.from_pylist(list(made)).schema.with_metadata(metadata)
    size = -(-len(made) // parts)
    for part in range(parts):
        path = folder / NAMES[name].replace("-00000-of-00002", f"-{part:05d}-of-{parts:05d}")
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(list(made[part * size : (part + 1) * size]), schema=schema), path)
    return folder


def recordings(files: Sequence[Path]) -> Iterator[bytes]:
    """The bytes of WAV files of these recordings, over and over."""
    while True:
        for file in files:
            yield wav(*soundfile.read(file, dtype="float32"))


def wav(samples: Any, rate: int) -> bytes:
    """A WAV file in memory."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def write_own(name: str, real: Sequence[Row], folder: Path, clips: Iterator[bytes] | None = None) -> Path:
    """The files as the makers of a data set publish them."""
    folder.mkdir(parents=True, exist_ok=True)
    meta = [item["meta"] for item in real]
    if name == "ag_news":
        lines = [
            [TOPICS.index(i["label"]) + 1, m["raw_title"], m["raw_description"]]
            for i, m in zip(real, meta, strict=True)
        ]
        with (folder / "test.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(lines)
    elif name == "sst2":
        lines = [f"{m['raw_text']} \t{int(i['label'] == 'positive')}" for i, m in zip(real, meta, strict=True)]
        (folder / "dev.tsv").write_text("\n".join(["sentence\tlabel", *lines]) + "\n", encoding="utf-8")
    elif name == "commonsenseqa":
        made = [
            {
                "id": i["id"], "answerKey": i["label"],
                "question": {"question_concept": m["question_concept"], "choices": i["choices"], "stem": i["question"]},
            }
            for i, m in zip(real, meta, strict=True)
        ]  # fmt: skip
        (folder / "dev_rand_split.jsonl").write_text("\n".join(map(json.dumps, made)), encoding="utf-8")
    elif name == "triviaqa":
        answers = [
            {"Value": i["label"][0], "Aliases": i["label"], "NormalizedAliases": [a.lower() for a in i["label"]]}
            for i in real
        ]
        data = [
            {"Question": i["text"], "QuestionId": i["id"], "Answer": answer}
            for i, answer in zip(real, answers, strict=True)
        ]
        (folder / "unfiltered-web-dev.json").write_text(json.dumps({"Data": data}), encoding="utf-8")
    elif name == "meld":
        keys = [
            "Sr No.",
            "Utterance",
            "Speaker",
            "Emotion",
            "Sentiment",
            "Dialogue_ID",
            "Utterance_ID",
            "Season",
            "Episode",
        ]
        made_rows = rows(name, real, clips)
        with (folder / "test_sent_emo.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, keys, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(made_rows)
        (folder / "output_repeated_splits_test").mkdir()
        for row in made_rows:
            clip = f"output_repeated_splits_test/dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}.wav"
            (folder / clip).write_bytes(row["audio"]["bytes"])
    else:
        made_rows = rows(name, real, clips)
        (folder / "utterances_final").mkdir()
        data_of = {}
        for row in made_rows:
            stem = row["file"].removesuffix(".wav")
            data_of[stem] = {key: row[key] for key in ("utterance", "speaker", "context", "context_speakers", "show")}
            data_of[stem]["sarcasm"] = row["label"]
            (folder / "utterances_final" / row["file"]).write_bytes(row["audio"]["bytes"])
        (folder / "sarcasm_data.json").write_text(json.dumps(data_of), encoding="utf-8")
    return folder
