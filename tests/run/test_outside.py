"""Studies of endpoints and files, run as a user would, against local servers: without torch, through faults, killed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from tests.systems.remote.server import Answer, Seen, Sent, completion, number, serving

SECRET = "sk-planted-1618033988"
COLOURS = ("red", "green", "blue")


def items(folder: Path, count: int) -> Path:
    """Numbered items with sound; an item's tone says which it is."""
    rows = []
    for n in range(count):
        time_s = np.arange(4_000) / 16_000
        soundfile.write(folder / f"{n}.wav", 0.3 * np.sin(2 * np.pi * (200 + 10 * n) * time_s), 16_000)
        said = {"audio": f"{n}.wav", "text": f"item {n}."}
        rows.append({"id": f"c{n}", **said, "label": COLOURS[n % 3], "choices": COLOURS})
    path = folder / "items.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def which(seen: Seen) -> int:
    """The item that a request is about: by its words, or by the tone that is heard."""
    text = seen.text()
    if "item " in text:
        return number(seen)
    import base64

    parts = seen.body["messages"][0]["content"]
    sound = next(part for part in parts if part["type"] == "input_audio")["input_audio"]["data"]
    samples = np.frombuffer(base64.b64decode(sound)[44:], "<i2").astype(float)
    peak = np.abs(np.fft.rfft(samples, 16_000)).argmax()
    return round((peak - 200) / 10)


def right(seen: Seen) -> Sent:
    if isinstance(seen.body["messages"][0]["content"], str) and "item " not in seen.text():
        return Sent(completion("red"))
    return Sent(completion(COLOURS[which(seen) % 3]))


def study(folder: Path, url: str, count: int, **changes: Any) -> Path:
    served = {
        "endpoint": "openai",
        "url": url,
        "model": "served-model",
        "key_env": "X_KEY",
        "timeout": 5,
        "attempts": 8,
    }
    body: dict[str, Any] = {
        "tasks": [{"manifest": str(items(folder, count)), "name": "colours"}],
        "models": {"served": served},
        "arms": {"gold": {"transcript": "gold", "llm": "served"}, "hosted": {"speech_llm": "served"}},
        "answer": "generate",
        "resamples": 100,
        "checks": {"hearing": 0, "repeats": 0, "latency": 0},
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump({**body, **changes}))
    return path


WITHOUT_TORCH = textwrap.dedent("""
    import sys
    from importlib.machinery import ModuleSpec
    class Block:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in ("torch", "transformers", "safetensors"):
                return ModuleSpec(name, self)
        def create_module(self, spec):
            raise ImportError(spec.name + " is not installed")
        def exec_module(self, module):
            pass
    sys.meta_path.insert(0, Block())
    from cascade_equivalence.cli import main
    sys.exit(main(sys.argv[1:]))
""")


def command(path: Path, out: Path) -> list[str]:
    return [sys.executable, "-c", WITHOUT_TORCH, "run", str(path), "--out", str(out)]


def ceq(path: Path, out: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(path, out),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "X_KEY": SECRET, **variables},
    )


def complete(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether all was answered. (Without a hearing check, which these studies leave out, no verdict follows.)"""
    said = " ".join(done.stderr.split())
    return "still missing" not in said and "Traceback" not in said and "not shown to hear" in said


def labels(out: Path, arm: str, what: str = "item") -> dict[str, str]:
    db = sqlite3.connect(out / "journal.sqlite")
    try:
        return dict(db.execute(f"SELECT {what}, label FROM answers WHERE arm = ?", (arm,)).fetchall())
    finally:
        db.close()


def test_a_study_of_endpoints_and_files_needs_no_torch_and_shows_no_key(tmp_path: Path) -> None:
    predictions = tmp_path / "said.jsonl"
    rows = [{"id": f"c{n}", "prediction": "green" if n == 1 else COLOURS[n % 3]} for n in range(12)]
    predictions.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"id": "other", "prediction": "red"}]))
    heard = tmp_path / "heard.csv"
    heard.write_text("id,text\n" + "".join(f"c{n},item {n}.\n" for n in range(12)))
    with serving(right) as server:
        path = study(
            tmp_path,
            server.url,
            12,
            arms={
                "gold": {"transcript": "gold", "llm": "served"},
                "cascade": {"asr": {"predictions": "heard.csv", "key": "text"}, "llm": {"of": "hosted"}},
                "hosted": {"speech_llm": "served"},
                "elsewhere": {"speech_llm": {"predictions": "said.jsonl"}},
            },
            checks={"hearing": 10, "repeats": 6, "latency": 2},
        )
        out = tmp_path / "run"
        done = ceq(path, out)
        assert done.returncode == 0, done.stderr
        assert {seen.authorization for seen in server.seen} == {f"Bearer {SECRET}"}
        asked = server.count
        again = ceq(path, out)
        assert again.returncode == 0 and server.count == asked
    for arm in ("gold", "cascade", "hosted", "elsewhere"):
        assert labels(out, arm) == {f"c{n}": COLOURS[n % 3] for n in range(12)}, arm
    # What is asked is said first, before the first request, and files say how they fit.
    said = " ".join(done.stderr.split())
    assert "requests" in said and "127.0.0.1" in said
    assert "12 of 12 trials" in said and "1 predictions match no trial (other)" in said
    everything = [done.stdout, done.stderr, again.stdout, again.stderr]
    everything += [p.read_bytes().decode("latin-1") for p in out.rglob("*") if p.is_file()]
    assert len(everything) > 6
    assert not any(SECRET in text for text in everything)


def test_the_cache_holds_no_key(tmp_path: Path) -> None:
    """A public data set is made in the cache while an endpoint is asked about it, some of it in vain."""
    sentences = [f"a {word} film about item {n}" for n, word in enumerate(["fine", "dull"] * 6)]
    lines = [f"{text}\t{int('fine' in text)}" for text in sentences]
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "dev.tsv").write_text("\n".join(["sentence\tlabel", *lines]) + "\n")

    def answer(seen: Seen) -> Sent:
        word = "positive" if "fine film about item" in seen.text() else "negative"
        return Sent({"error": SECRET}, 500) if "item 3\n" in seen.text() else Sent(completion(word))

    served = {"endpoint": "openai", "model": "served-model", "key_env": "X_KEY", "attempts": 1}
    cache = tmp_path / "cache"
    with serving(answer) as server:
        path = study(
            tmp_path,
            server.url,
            1,
            tasks=[{"dataset": "sst2", "path": "own", "rows": 12}],
            models={"served": served | {"url": server.url}},
            arms={"gold": {"transcript": "gold", "llm": "served"}},
        )
        done = ceq(path, tmp_path / "run", CEQ_CACHE=str(cache), HF_HOME=str(cache / "hub"))
    assert "1 answers are still missing" in " ".join(done.stderr.split()), done.stderr
    written = [p for folder in (cache, tmp_path / "run") for p in folder.rglob("*") if p.is_file()]
    assert any(p.name == "items.jsonl" for p in written) and any(p.name == "journal.sqlite" for p in written)
    everything = [done.stdout, done.stderr, *(p.read_bytes().decode("latin-1") for p in written)]
    assert not any(SECRET in text for text in everything)


def test_stimuli_go_out_and_predictions_come_back(tmp_path: Path) -> None:
    with serving(right) as server:
        path, out = study(tmp_path, server.url, 12, conditions=["clean", "silence", "no-audio"]), tmp_path / "run"
        assert complete(ceq(path, out))
        exported = subprocess.run(
            [sys.executable, "-m", "cascade_equivalence", "export", str(out), "--stimuli"],
            capture_output=True,
            text=True,
            check=True,
        )
        rows = [json.loads(line) for line in (out / "stimuli" / "stimuli.jsonl").read_text().splitlines()]
        assert "36 trials, 13 sounds" in exported.stdout
        assert len({row["id"] for row in rows}) == len(rows) == 36
        first = next(row for row in rows if row["id"] == "colours/c5/clean")
        samples, rate = soundfile.read(out / "stimuli" / first["audio"], dtype="float32")
        spoken, _ = soundfile.read(tmp_path / "5.wav", dtype="float32")
        assert rate == 16_000 and np.abs(samples - spoken).max() < 1e-4
        assert [row["audio"] for row in rows if row["condition"] == "no-audio"] == [None] * 12
        assert "label" not in first and first["choices"] == list(COLOURS)
        asked = [seen.body["messages"][0]["content"] for seen in server.seen]
        assert {(c[0]["text"], c[2]["text"]) for c in asked if len(c) == 3} == {(first["before"], first["after"])}
        said = [{"id": row["id"], "prediction": COLOURS[int(row["item"][1:]) % 3]} for row in rows]
        (tmp_path / "said.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
        arms = {"gold": {"transcript": "gold", "llm": "served"}, "back": {"speech_llm": {"predictions": "said.jsonl"}}}
        path = study(tmp_path, server.url, 12, arms=arms, conditions=["clean", "silence", "no-audio"])
        done = ceq(path, tmp_path / "second")
    assert done.returncode == 0, done.stderr
    assert "36 of 36 trials" in " ".join(done.stderr.split())
    expected = {row["id"].removeprefix("colours/"): row["prediction"] for row in said}
    assert labels(tmp_path / "second", "back", "item || '/' || condition") == expected


def test_faults_leave_no_answer_out_and_give_none_twice(tmp_path: Path) -> None:
    cut = Sent(completion("red"), cut=True)
    faults = [Sent({}, 429, {"Retry-After": "0"}), Sent({}, 500), cut, Sent({"choices": []})]
    good: Counter[tuple[bool, int]] = Counter()

    def answer(seen: Seen) -> Sent:
        n = which(seen)
        if n % 10 == 3 and not seen.before:
            return faults[n // 10 % len(faults)]
        good["item" in seen.text(), n] += 1
        return right(seen)

    with serving(answer) as server:
        done = ceq(study(tmp_path, server.url, 60), tmp_path / "run")
    assert complete(done), done.stderr
    assert set(good.values()) == {1} and len(good) == 120
    assert len(labels(tmp_path / "run", "hosted")) == 60


def test_what_is_asked_in_vain_is_missing_and_asked_again(tmp_path: Path) -> None:
    broken = {"now": True}

    def answer(seen: Seen) -> Sent:
        return Sent({}, 500) if broken["now"] and which(seen) == 5 else right(seen)

    served = {"endpoint": "openai", "model": "m", "attempts": 1}
    with serving(answer) as server:
        path = study(tmp_path, server.url, 12, models={"served": {**served, "url": server.url}})
        first = ceq(path, tmp_path / "run")
        assert first.returncode == 1
        assert "2 answers are still missing" in " ".join(first.stderr.split())
        assert len(labels(tmp_path / "run", "hosted")) == 11
        broken["now"], before = False, server.count
        second = ceq(path, tmp_path / "run")
        assert complete(second), second.stderr
        assert server.count - before == 2
    assert len(labels(tmp_path / "run", "hosted")) == 12


def test_an_optional_arm_is_left_out_without_its_key_and_comes_with_it(tmp_path: Path) -> None:
    served = {"endpoint": "openai", "model": "m"}
    with serving(right) as server:
        path = study(
            tmp_path,
            server.url,
            12,
            models={
                "served": {**served, "url": server.url},
                "hosted": {**served, "model": "n", "url": server.url, "key_env": "OTHER_KEY"},
            },
            arms={
                "gold": {"transcript": "gold", "llm": "served"},
                "heard": {"speech_llm": "served"},
                "hosted": {"speech_llm": "hosted", "optional": True},
            },
        )
        first = ceq(path, tmp_path / "run")
        assert complete(first), first.stderr
        assert "arm 'hosted' is left out: OTHER_KEY is not set" in " ".join(first.stderr.split())
        assert "Left out: arm “hosted”" in (tmp_path / "run" / "report.html").read_text()
        assert len(labels(tmp_path / "run", "heard")) == 12 and not labels(tmp_path / "run", "hosted")
        before = server.count
        second = ceq(path, tmp_path / "run", OTHER_KEY=SECRET)
        assert complete(second) and "left out" not in second.stderr, second.stderr
        assert server.count - before == 12, "the same study goes on with the arm that has come"
    assert len(labels(tmp_path / "run", "hosted")) == 12


def test_what_a_file_lacks_is_said_to_be_missing_there(tmp_path: Path) -> None:
    """Asking again would not help: the file and how many answers it lacks are named. Transcripts are no other."""
    said = [{"id": f"c{n}", "prediction": COLOURS[n % 3]} for n in range(9)]
    (tmp_path / "said.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    (tmp_path / "heard.csv").write_text("id,text\n" + "".join(f"c{n},item {n}.\n" for n in range(10)))
    arms = {
        "elsewhere": {"speech_llm": {"predictions": "said.jsonl"}},
        "cascade": {"asr": {"predictions": "heard.csv", "key": "text"}, "llm": "served"},
    }
    with serving(right) as server:
        done = ceq(study(tmp_path, server.url, 12, arms=arms), tmp_path / "run")
    told = " ".join(done.stderr.split())
    assert done.returncode == 1 and "in vain" not in told
    assert "3 answers are missing: said.jsonl has no prediction" in told
    assert "2 answers are missing: heard.csv has no prediction" in told
    assert len(labels(tmp_path / "run", "elsewhere")) == 9 and len(labels(tmp_path / "run", "cascade")) == 10


def test_a_killed_run_asks_again_only_what_was_in_flight(tmp_path: Path) -> None:
    def slow(answer: Answer) -> Answer:
        return lambda seen: replace(answer(seen), wait_s=0.05)

    with serving(slow(right)) as server:
        path, out = study(tmp_path, server.url, 60), tmp_path / "run"
        with subprocess.Popen(
            command(path, out),
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "X_KEY": SECRET},
        ) as process:
            deadline = time.monotonic() + 120
            while server.count < 50 and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        asked = server.count
        assert 50 <= asked < 120
        done = ceq(path, out)
        assert complete(done), done.stderr
        # Eight at a time; one more may have been answered and not yet committed by each of them.
        assert server.count <= 120 + 16
    assert len(labels(out, "hosted")) == len(labels(out, "gold")) == 60


def test_a_change_of_the_served_model_is_a_caveat(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Sent:
        return Sent(completion(COLOURS[which(seen) % 3], model="other" if which(seen) in (3, 4) else "served-model"))

    with serving(answer) as server:
        assert complete(ceq(study(tmp_path, server.url, 12), tmp_path / "run"))
    page = (tmp_path / "run" / "report.html").read_text()
    assert "arm hosted was answered by 2 models in one run: other (2) and served-model (10)" in page
    assert "answer behind a server" in page and "served-model at 127.0.0.1" in page


def test_label_scores_that_a_server_does_not_give_are_a_usage_error(tmp_path: Path) -> None:
    done = ceq(study(tmp_path, "http://127.0.0.1:9/v1", 12, answer="labels"), tmp_path / "run")
    assert done.returncode == 2
    assert "answer: generate" in done.stderr and "scores: token-ids" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("served", "said"),
    [
        ({"endpoint": "openai", "model": "m"}, "needs url"),
        ({"endpoint": "openai", "model": "m", "url": "http://h", "paralel": 3}, "did you mean 'parallel'"),
        ({"endpoint": "azure", "model": "m"}, "models.served.endpoint"),
        ({"endpoint": "openai", "model": "m", "url": "http://h", "parallel": 0}, "models.served.parallel"),
    ],
)
def test_a_wrong_endpoint_is_named(tmp_path: Path, served: dict[str, Any], said: str) -> None:
    done = ceq(study(tmp_path, "http://h", 12, models={"served": served}), tmp_path / "run")
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
