"""Commands that are shown: those of `ceq` that need no model run, in the order in which a page shows them; the others
parse, and what they name exists."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from cascade_equivalence.cli import main, parser
from cascade_equivalence.study.spec import PRESETS
from cascade_equivalence.tasks.task import corpus_dir

from .blocks import BLOCKS, ROOT, TEXTS, Block, commands, of

ELSEWHERE = {"srun", "ssh", "rsync", "hf", "cp", "python", "ray", "kubectl", "sbatch", "apt"}
"""Programs of others: their commands are only parsed."""
SHELL = {"export", "for", "do", "done", "sleep", "hostname", "openssl"}
"""The shell's own words, and what stands on every machine."""
EPILOGS = [
    (name, line.strip())
    for name, one in parser()._subparsers._group_actions[0].choices.items()  # type: ignore[union-attr]
    for line in (one.epilog or "").splitlines()
    if line.strip().startswith("ceq ")
]


def predictions(path: Path, every: int) -> None:
    """Answers to the topic items of which every so many is wrong."""
    items = [json.loads(line) for line in (corpus_dir() / "topic.jsonl").read_text(encoding="utf-8").splitlines()]
    labels = sorted({item["label"] for item in items})
    rows = [
        {"id": item["id"], "label": item["label"], "prediction": item["label"] if n % every else labels[n % 4]}
        for n, item in enumerate(items)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that took no model: two arms whose answers lie in files."""
    folder = tmp_path_factory.mktemp("finished")
    for name, every in (("a", 7), ("b", 5)):
        predictions(folder / f"{name}.jsonl", every)
    (folder / "study.yaml").write_text(
        "tasks: [topic]\nmodels: {}\nlimit: 20\nanswer: generate\ncomparisons: {pairs: [[a, b]]}\n"
        "arms: {a: {speech_llm: {predictions: a.jsonl}}, b: {speech_llm: {predictions: b.jsonl}}}\n",
        encoding="utf-8",
    )
    assert main(["run", str(folder / "study.yaml"), "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture
def desk(tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with what a reader has: recordings and their table, files of answers, a study, finished runs."""
    calls = tmp_path / "calls"
    calls.mkdir()
    lines = (corpus_dir() / "topic.jsonl").read_text(encoding="utf-8").splitlines()[:24]
    table = ["file,label,text"]
    for line in lines:
        item = json.loads(line)
        sound = corpus_dir() / item["audio"]
        (calls / sound.name).write_bytes(sound.read_bytes())
        table.append(f'{sound.name},{item["label"]},"{item["text"]}"')
    (tmp_path / "labels.csv").write_text("\n".join(table), encoding="utf-8")
    for name, every in (("speech", 7), ("speech_llm", 7), ("cascade", 5), ("small_asr", 4), ("other", 4), ("small", 4)):
        predictions(tmp_path / f"{name}.jsonl", every)
    for name in ("study", "kitchen"):
        (tmp_path / f"{name}.yaml").write_text("extends: pocket\n", encoding="utf-8")
    (tmp_path / "runs").mkdir()
    for name in {found for text in TEXTS.values() for found in re.findall(r"runs/([\w-]+)", text)}:
        (tmp_path / "runs" / name).symlink_to(finished)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def runs_here(words: list[str]) -> bool:
    """Whether a command of `ceq` needs neither a model nor a network."""
    match words[1:]:
        case ["run", *rest]:
            return "--dry-run" in rest
        case ["agree" | "plan" | "init" | "export" | "report", *_] | ["tasks"] | ["models", "list"] | ["systems"]:
            return True
    return False


def test_every_block_is_in_a_language_that_is_looked_at() -> None:
    assert {block.language for block in BLOCKS} <= {"python", "bash", "yaml", "diff", "bibtex", ""}


@pytest.mark.parametrize("file", sorted({block.file for block in of("bash")}))
def test_commands_that_need_no_model_run(file: str, desk: Path, finished: Path) -> None:
    for block in of("bash"):
        for words in commands(block.text) if block.file == file else ():
            if words[0] == "ceq" and runs_here(words):
                if words[1] == "init":
                    (desk / "study.yaml").unlink(missing_ok=True)
                if words[1] in ("report", "export") and not (desk / words[2]).exists():
                    (desk / words[2]).symlink_to(finished)
                # 2: a study that cannot start on this machine, which a dry run is there to say.
                assert main(words[1:]) in ((0, 2) if "--dry-run" in words else (0,)), (str(block), words)


@pytest.mark.parametrize("block", of("bash"), ids=str)
def test_commands_parse_and_what_they_name_exists(block: Block, tmp_path: Path) -> None:
    script = tmp_path / "block.sh"
    script.write_text(block.text, encoding="utf-8")
    subprocess.run(["bash", "-n", script], check=True)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for words in commands(block.text):
        match words:
            case ["ceq", *rest]:
                args = parser().parse_args(rest)
                study = getattr(args, "study", None) if rest[0] == "run" else None
                assert study is None or study in PRESETS or study.endswith(".yaml"), words
            case ["source", path]:
                assert path == ".venv/bin/activate"
            case ["bash", path, *_]:
                assert (ROOT / path).is_file(), words
                subprocess.run(["bash", "-n", ROOT / path], check=True)
            case ["pip", "install", *what]:
                named = [name for word in what for found in re.findall(r"\[(.*)\]", word) for name in found.split(",")]
                assert set(named) <= set(extras), words
            case _:
                name, equals, _ = words[0].partition("=")
                assert name in ELSEWHERE | SHELL or (equals and name.isidentifier()), words


@pytest.mark.parametrize(("name", "line"), EPILOGS)
def test_the_examples_of_a_command_run_or_parse(name: str, line: str, desk: Path) -> None:
    words = commands(re.split(r" {2,}", line)[0])[0]
    parser().parse_args(words[1:])
    if name == "plan":
        assert main(words[1:]) == 0


def test_the_citation_is_of_this_version() -> None:
    from cascade_equivalence import __version__

    (entry,) = of("bibtex")
    assert f"{{{__version__}}}" in entry.text
    assert f"version: {__version__}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8").replace('"', "")
