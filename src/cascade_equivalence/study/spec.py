"""The study file: what to compare, declared. YAML in, a validated `Study` out."""

from __future__ import annotations

import difflib
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cascade_equivalence.errors import UsageError

PRESETS = ("pocket",)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSpec(_Strict):
    """Weights by name: an embedded model, a directory, or a hub id. Unset fields follow the study."""

    id: str
    device: str | None = None
    dtype: Literal["auto", "float32", "float16", "bfloat16"] | None = None
    batch_size: int | None = Field(default=None, ge=1)
    padding: Literal["stock", "short"] = "short"
    prompt: Literal["auto", "plain", "chat"] = "auto"


class ArmSpec(_Strict):
    """A cascade (`asr` + `llm`) or the gold arm (`transcript: gold` + `llm`)."""

    llm: str
    asr: str | None = None
    transcript: Literal["gold"] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> ArmSpec:
        if (self.asr is None) == (self.transcript is None):
            raise ValueError("an arm has either asr: <model> or transcript: gold")
        return self


class TaskSpec(_Strict):
    """A task of one's own. `name` gives the wording if it is one of the shipped forms'; `voice` speaks text items."""

    manifest: Path
    voice: str | None = None
    name: str | None = None
    where: dict[str, Any] = Field(default_factory=dict)

    def title(self) -> str:
        """Its name in tables."""
        return self.name or self.manifest.stem


class Pairs(_Strict):
    """Comparisons one by one."""

    pairs: list[tuple[str, str]]


class Study(_Strict):
    """The declarative description of a study. `base` is the directory that relative paths start from."""

    name: str = "study"
    tasks: list[str | TaskSpec] = Field(min_length=1)
    conditions: list[str] = Field(default_factory=lambda: ["clean"], min_length=1)
    models: dict[str, ModelSpec]
    arms: dict[str, ArmSpec] = Field(min_length=1)
    comparisons: Literal["matched"] | Pairs = "matched"
    analyses: list[Literal["agreement"]] = Field(default_factory=lambda: ["agreement"])  # type: ignore[arg-type]
    answer: Literal["labels", "generate"] = "labels"
    babble: Path | None = None
    margin: float = Field(default=0.03, gt=0, lt=1)
    resamples: int = Field(default=10_000, ge=100)
    invalid_limit: float = Field(default=0.5, ge=0, le=1)
    seed: int = Field(default=0, ge=0)
    device: str = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    limit: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _names_exist(self) -> Study:
        def check(kind: str, name: str, there: Any) -> None:
            if name not in there:
                raise ValueError(f"{kind} '{name}' is not defined; there are: {', '.join(there)}")

        for name, arm in self.arms.items():
            for model in filter(None, (arm.asr, arm.llm)):
                check(f"arm '{name}': model", model, self.models)
        if isinstance(self.comparisons, Pairs):
            for pair in self.comparisons.pairs:
                for name in pair:
                    check("comparisons: arm", name, self.arms)
        return self


def load_study(source: str | Path | None = None, **overrides: Any) -> tuple[Study, Path]:
    """Read a study file (or a preset's name; default: `pocket`), laid over what it `extends`.

    `overrides` replace top-level keys last (None: left alone). Returns the study and the directory that its
    relative paths start from. Raises `UsageError` naming the key that is wrong and the valid ones.
    """
    name = str(source or "pocket")
    if name in PRESETS:
        raw, base = _preset(name), Path.cwd()
    else:
        path = Path(name)
        raw, base = {"name": path.stem} | _yaml(path), path.resolve().parent
        if parent := raw.pop("extends", None):
            if parent not in PRESETS:
                raise UsageError(f"{path}: extends '{parent}'; the presets are: {', '.join(PRESETS)}")
            raw = _preset(parent) | raw
    raw |= {key: value for key, value in overrides.items() if value is not None}
    try:
        return Study.model_validate(raw), base
    except ValidationError as error:
        raise UsageError(f"{name}: {_explain(error)}") from None


def narrow(study: Study, arms: list[str] | None, tasks: list[str] | None) -> Study:
    """Keep only the named arms and tasks (None: all). Raises `UsageError` for a name the study has not."""
    titles = {task if isinstance(task, str) else task.title(): task for task in study.tasks}
    kinds: list[tuple[str, list[str] | None, list[str]]] = [("arm", arms, list(study.arms)), ("task", tasks, [*titles])]
    for kind, wanted, there in kinds:
        if unknown := [name for name in wanted or [] if name not in there]:
            raise UsageError(f"no {kind} '{unknown[0]}' in this study; there are: {', '.join(there)}")
    kept_arms = {name: arm for name, arm in study.arms.items() if arms is None or name in arms}
    kept_tasks = [task for title, task in titles.items() if tasks is None or title in tasks]
    pairs = study.comparisons
    if isinstance(pairs, Pairs):
        pairs = Pairs(pairs=[pair for pair in pairs.pairs if set(pair) <= set(kept_arms)])
    return study.model_copy(update={"arms": kept_arms, "tasks": kept_tasks, "comparisons": pairs})


def _preset(name: str) -> dict[str, Any]:
    text = (files("cascade_equivalence.study") / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    return {"name": name} | dict(yaml.safe_load(text))


def _yaml(path: Path) -> dict[str, Any]:
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"study '{path}' cannot be read ({error.strerror}); give a YAML file or a preset ({', '.join(PRESETS)})"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(value, dict):
        raise UsageError(f"{path}: a study is a mapping of keys")
    return value


def _explain(error: ValidationError) -> str:
    """The first thing that is wrong, in words."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if not _is_type_name(part))
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        valid = sorted(_fields_at(first["loc"]))
        close = difflib.get_close_matches(key, valid, 1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        return f"unknown key '{place}'; {hint}valid keys: {', '.join(valid)}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _is_type_name(part: Any) -> bool:
    return part in {"str", "TaskSpec", "Pairs", "literal['matched']"}


def _fields_at(location: tuple[Any, ...]) -> set[str]:
    nested: dict[str, type[BaseModel]] = {
        "models": ModelSpec,
        "arms": ArmSpec,
        "tasks": TaskSpec,
        "comparisons": Pairs,
    }
    if len(location) > 1 and location[0] in nested:
        return set(nested[location[0]].model_fields)
    return {*Study.model_fields, "extends"}
