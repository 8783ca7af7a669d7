"""Study files and manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from cascade_equivalence.errors import CeqError
from tests.fuzz import damage
from tests.fuzz.damage import as_json, changed, harmed
from tests.fuzz.door import Door
from tests.fuzz.files import written
from tests.fuzz.room import Fault, called, inside, told


def _study(models: str = "smollm2-135m") -> dict[str, Any]:
    return {
        "name": "tried", "tasks": [{"manifest": "items.jsonl", "limit": 4}, "topic"], "limit": 4,
        "conditions": ["clean", "babble@5dB", {"name": "kitchen", "chain": "noise:white@0dB+gain@-3dB"}, "swap"],
        "models": {
            "llm": {"id": models, "prompt": "plain"}, "asr": {"id": "whisper-base", "batch_size": 4},
            "served": {"endpoint": "openai", "url": ["http://127.0.0.1:9/v1"], "model": "m", "key_env": "NONE"},
            "file": {"predictions": "said.jsonl", "key": "prediction"},
        },
        "arms": {
            "gold": {"transcript": "gold", "llm": "llm"}, "cascade": {"asr": "asr", "llm": "llm"},
            "speech": {"speech_llm": "pocket-ctc"}, "own": {"asr": "asr", "llm": {"of": "speech"}},
            "hosted": {"speech_llm": "served"}, "said": {"speech_llm": {"predictions": "said.jsonl"}},
            "planted": {"planted": "deaf", "llm": "llm"},
        },
        "comparisons": {"pairs": [["speech", "own"]]},
        "primary": [["speech", "own"]],
        "checks": {"hearing": 4, "repeats": 4}, "margin": 0.03, "resamples": 100, "seed": 0, "permute": [1],
        "prices": {"gpu_hour": 2.5}, "executor": {"workers": 2}, "analyses": ["agreement", "lens"],
        "mechanism": {"trials": 8}, "calibration": "own", "answer": "labels",
    }  # fmt: skip


def _items() -> list[dict[str, Any]]:
    return [
        {
            "id": f"i{n}", "text": f"the film was {word}", "label": word, "choices": ["good", {"label": "bad"}],
            "speaker": f"s{n % 2}", "group": "g", "split": ("shot", "dev", "test")[min(n, 2)],
            "meta": {"set": "a", "n": n}, "question": "How was it?",
        }
        for n, word in enumerate(["good", "bad", "good", "bad", "good", "good"])
    ]  # fmt: skip


def _plan(case: Any, room: Path) -> None:
    from cascade_equivalence.study.build import build_tasks
    from cascade_equivalence.study.spec import load_study

    done, harm, style = case
    with inside(room) as given:
        (given / "items.jsonl").write_bytes(b"".join(as_json(row) + b"\n" for row in _items()))
        text = yaml.safe_dump(changed(_study(), done), default_flow_style=style, allow_unicode=True, sort_keys=False)
        text = text.replace(damage.TWICE, "").replace(damage.ENDLESS, "9" * 5000)
        data = text.replace(damage.DEEP, "[" * 3000 + "]" * 3000).encode("utf-8", "surrogatepass")
        path = given / "study.yaml"
        path.write_bytes(harmed(data, harm))
        if told("run", path, "--dry-run", "--out", room / "out")[0] == 0:
            study, base = load_study(path)
            called(lambda: build_tasks(study.model_copy(update={"arms": {}}), base))
            for condition in study.conditions:
                _condition(condition, base)


def _condition(text: str, base: Path) -> None:
    from cascade_equivalence.audio.condition import parse_condition

    called(lambda: parse_condition(text, base))


def _manifest(case: Any, room: Path) -> None:
    from cascade_equivalence.tasks.manifest import read_manifest
    from cascade_equivalence.tasks.task import load_task

    done, how, harm, where = case
    with inside(room) as given:
        suffix, data = written(changed(_items(), done), how)
        path = given / f"items{suffix}"
        path.write_bytes(harmed(data, harm))
        items = called(lambda: read_manifest(path, where))
        if isinstance(items, CeqError):
            return
        if any(item.id != item.id.strip() or not item.id for item in items):
            raise Fault("an id with space around it")
        if len({item.id for item in items}) != len(items):
            raise Fault("an id twice")
        called(lambda: load_task("own", path, where or {}, 4))


_forms = st.sampled_from(["json lines", "json lines", "json lines", "json", "pretty", "csv", "gzip", "utf-16"])
_where = st.sampled_from([None, {"set": "a"}, {"n": 1}, {"meta.n": [1, 2]}, {"x.y": True}, {"label": ["good", 3]}])
_seldom = st.just([]) | st.just([]) | damage.harms(2)

STUDIES = Door("studies", st.tuples(damage.changes(3), _seldom, st.sampled_from([None, True, False])), _plan)
MANIFESTS = Door("manifests", st.tuples(damage.changes(), _forms, damage.harms(2), _where), _manifest)
