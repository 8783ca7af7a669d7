"""The study file: what to compare, declared. YAML in, a validated `Study` out."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from cascade_equivalence.audio.condition import named
from cascade_equivalence.errors import UsageError
from cascade_equivalence.inside.settings import Analysis, MechanismSpec
from cascade_equivalence.reading.yaml_text import cure, file_name, load_yaml, parse_yaml
from cascade_equivalence.study.executor import ExecutorSpec, RaySpec, Where
from cascade_equivalence.study.layers import laid_over
from cascade_equivalence.study.outside import EndpointSpec, PredictionsSpec, kind_of, lifted
from cascade_equivalence.study.strict import Strict
from cascade_equivalence.tasks.form import Wording

PRESETS = ("pocket", "pocket-full", "paper", "paper-ultravox", "paper-qwen2-audio", "paper-phi4")


Seed = Annotated[int, Field(ge=0, strict=True)]


def _one_text(value: Any) -> Any:
    """A condition with a name of its own as one text."""
    if not isinstance(value, dict):
        return value
    if set(value) != {"name", "chain"} or not all(isinstance(text, str) for text in value.values()):
        raise ValueError(
            "a condition is a chain of steps, or {name: <short name>, chain: <chain of steps>}"
            + cure("string_type", value)
        )
    try:
        return named(**value)
    except UsageError as error:
        raise ValueError(str(error)) from None


ConditionText = Annotated[str, BeforeValidator(_one_text)]


class ModelSpec(Strict):
    """Weights by name: an embedded model, a directory, or a hub id. Unset fields follow the study.

    revision: branch, tag or commit of a hub id. llm, encoder: where the same LLM and audio encoder that a speech LLM
    builds on are to be had instead (a copy, a mirror): a key of `models`, a directory or a hub id.
    """

    id: str
    revision: str | None = None
    llm: str | None = None
    encoder: str | None = None
    device: str | None = None
    dtype: Literal["auto", "float32", "float16", "bfloat16"] | None = None
    batch_size: int | None = Field(default=None, ge=1)
    padding: Literal["stock", "short", "tight"] = "short"
    runtime: Literal["transformers", "faster-whisper"] = "transformers"
    prompt: Literal["auto", "plain", "chat"] = "auto"


AnyModel = Annotated[
    Annotated[ModelSpec, Tag("ModelSpec")]
    | Annotated[EndpointSpec, Tag("EndpointSpec")]
    | Annotated[PredictionsSpec, Tag("PredictionsSpec")],
    Discriminator(kind_of),
]


class Of(Strict):
    """The language model of a speech LLM, by the name of its arm: what makes a cascade a self-cascade."""

    of: str


class ArmSpec(Strict):
    """A speech LLM, a cascade (`asr` + `llm`), the gold arm (`transcript: gold` + `llm`) or a planted control.

    planted: the nature of a control (`systems.planting`), on `llm`, hearing through `asr` where its nature does.
    `speech_llm` is a key of `models`, or an embedded name, a directory or a hub id itself. latency: single requests
    that are timed, where it is not the study's own number. optional: the study does without it, and says so, where its
    key, its client or its file is missing.
    """

    llm: str | Of | None = None
    asr: str | None = None
    transcript: Literal["gold"] | None = None
    speech_llm: str | None = None
    planted: Literal["disguised", "deaf", "loudness", "flipped", "ahead-when-clean"] | None = None
    latency: int | None = Field(default=None, ge=0)
    optional: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> ArmSpec:
        if self.planted is not None:
            if self.speech_llm or self.transcript or not isinstance(self.llm, str):
                raise ValueError("a planted arm is written {planted: <nature>, llm: <model>, asr: <model>}")
            if self.planted not in {"deaf", "loudness"} and self.asr is None:
                raise ValueError(f"planted: {self.planted} hears through an asr: <model>")
            return self
        if sum(value is not None for value in (self.asr, self.transcript, self.speech_llm)) != 1:
            raise ValueError("an arm has exactly one of asr: <model>, transcript: gold, speech_llm: <model>")
        if self.speech_llm is None and self.llm is None:
            raise ValueError("llm: is missing (a model, or {of: <arm of a speech LLM>})")
        if self.speech_llm is not None and self.llm is not None:
            raise ValueError("a speech LLM brings its own llm; for its self-cascade write {asr: …, llm: {of: <arm>}}")
        return self


class HubSpec(Strict):
    """Any data set on the hub: its columns by what they are read as; `labels` names integer labels in order."""

    hub: str
    columns: dict[Literal["id", "text", "audio", "label", "question", "choices", "speaker", "group"], str]
    revision: str | None = None
    config: str | None = None
    split: str = "test"
    labels: list[str] | None = Field(default=None, min_length=2)


class FormSpec(Strict):
    """The words of a form of one's own: the instruction, what stands before the content and before the answer, the word
    that each label is shown and scored by, whether the words alone solve it (it then counts towards the headline), and
    the most tokens that a generated answer may have."""

    instruction: str | None = Field(default=None, min_length=1)
    heard: str = "Text:"
    asked: str = "Answer:"
    words: dict[str, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    text_sufficient: bool | None = None
    max_new_tokens: int = Field(default=32, ge=1, le=4096)

    def wording(self) -> Wording:
        """As tasks take it."""
        words = tuple(self.words.items())
        return Wording(self.instruction, self.heard, self.asked, words, self.text_sufficient, self.max_new_tokens)


class TaskSpec(Strict):
    """A shipped task (`task`), one of one's own (`manifest`) or a public one (`dataset`), with settings of its own.

    `form` names a shipped form or gives the words of one's own; `voice` speaks text items. `path` is
    a local folder in place of the hub, `rows` the number of rows to expect there. `conditions`, `limit` and `permute`
    stand for the study's own on this task.
    """

    task: str | None = None
    manifest: Path | None = None
    dataset: str | HubSpec | None = None
    path: Path | None = None
    rows: int | None = Field(default=None, ge=1)
    voice: str | None = None
    name: str | None = None
    form: str | FormSpec | None = None
    where: dict[str, Any] = Field(default_factory=dict)
    conditions: list[ConditionText] | None = Field(default=None, min_length=1, max_length=300)
    limit: int | None = Field(default=None, ge=1)
    permute: list[Seed] | None = Field(default=None, max_length=100)

    @model_validator(mode="after")
    def _one_source(self) -> TaskSpec:
        if sum(value is not None for value in (self.task, self.manifest, self.dataset)) != 1:
            raise ValueError(
                "an entry of tasks has exactly one of task: <shipped task>, manifest: <file>, dataset: <public one>"
            )
        if self.task is not None and (self.name is not None or self.voice is not None or self.form is not None):
            raise ValueError(
                f"task '{self.task}' ships with its name, words and speech; name:, form: and voice: are for a manifest"
            )
        if self.dataset is None and (self.path is not None or self.rows is not None):
            raise ValueError("path: and rows: are for a data set (dataset: …); a manifest is named by manifest:")
        return self

    def wording(self) -> str | Wording | None:
        """The shipped form that it names, or its own words."""
        return self.form.wording() if isinstance(self.form, FormSpec) else self.form

    def title(self) -> str:
        """Its name in tables."""
        if isinstance(self.dataset, HubSpec):
            return self.name or self.dataset.hub.rpartition("/")[2]
        return self.name or self.task or self.dataset or (self.manifest.stem if self.manifest else "")


class Checks(Strict):
    """Trials of the hearing check, answers that are repeated, and single requests that are timed, of each arm."""

    hearing: int = Field(default=40, ge=0)
    repeats: int = Field(default=60, ge=0)
    latency: int = Field(default=24, ge=0)

    def questions(self, trials: int, *, hears: bool, single: int | None) -> int:
        """How often they ask an arm of so many trials, about: five stimuli of a hearing check, two nuisances (one of an
        arm that hears nothing), and single requests (of the arm's own number, if it has one)."""
        heard = 5 * min(self.hearing, trials) if hears else 0
        return heard + min(self.repeats, trials) * (2 if hears else 1) + (self.latency if single is None else single)


class Pairs(Strict):
    """Comparisons one by one."""

    pairs: list[tuple[str, str]]


class Study(Strict):
    """The declarative description of a study. `base` is the directory that relative paths start from."""

    name: Annotated[str, AfterValidator(file_name)] = "study"
    tasks: list[str | TaskSpec] = Field(min_length=1)
    conditions: list[ConditionText] = Field(default_factory=lambda: ["clean"], min_length=1, max_length=300)
    models: dict[str, AnyModel]
    arms: dict[str, ArmSpec] = Field(min_length=1)
    comparisons: Literal["matched"] | Pairs = "matched"
    primary: list[tuple[str, str]] | None = None
    prices: dict[str, float] = Field(default_factory=dict)
    calibration: Literal["shared", "own", "none"] = "shared"
    checks: Checks = Field(default_factory=Checks)
    analyses: list[Literal["agreement", Analysis]] = Field(default_factory=lambda: ["agreement"])  # type: ignore[arg-type]
    mechanism: MechanismSpec = Field(default_factory=MechanismSpec)
    answer: Literal["labels", "generate"] = "labels"
    babble: Path | None = None
    margin: float = Field(default=0.03, gt=0, lt=1)
    resamples: int = Field(default=10_000, ge=100, le=1_000_000)
    invalid_limit: float = Field(default=0.5, ge=0, le=1)
    permute: list[Seed] = Field(default_factory=list, max_length=100)
    seed: int = Field(default=0, ge=0)
    device: str = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    limit: int | None = Field(default=None, ge=1)
    executor: Where = "auto"
    memory: float | None = Field(default=None, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _files_are_models(cls, raw: Any) -> Any:
        return lifted(raw)

    @model_validator(mode="after")
    def _names_exist(self) -> Study:
        def check(kind: str, name: str, there: Any) -> None:
            if name not in there:
                raise ValueError(f"{kind} '{name}' is not defined; there are: {', '.join(there)}")

        titles = [task if isinstance(task, str) else task.title() for task in self.tasks]
        if twice := [title for title in titles if titles.count(title) > 1]:
            raise ValueError(f"tasks: '{twice[0]}' is there twice; give one of them another name")
        speech = [name for name, arm in self.arms.items() if arm.speech_llm or arm.planted]
        for name, arm in self.arms.items():
            if isinstance(arm.llm, Of):
                if not speech:
                    raise ValueError(f"arm '{name}': llm.of names the arm of a speech LLM, and the study has none")
                check(f"arm '{name}': arm of a speech LLM", arm.llm.of, speech)
            for model in (arm.asr, arm.llm):
                if isinstance(model, str):
                    check(f"arm '{name}': model", model, self.models)
        named = {"comparisons": self.comparisons.pairs if isinstance(self.comparisons, Pairs) else []}
        for key, pairs in {**named, "primary": self.primary or []}.items():
            for pair in pairs:
                for name in pair:
                    check(f"{key}: arm", name, self.arms)
        return self

    def speech_llm_of(self, llm: Of) -> str:
        """The speech LLM that `llm` is the language model of, as named in `models` or by itself."""
        arm = self.arms.get(llm.of)
        return arm.speech_llm if arm and arm.speech_llm else llm.of

    def source_of(self, name: str) -> str:
        """What a model is, in tables: its id, its file, or what is asked at an endpoint."""
        return self.models[name].id if name in self.models else name

    def speech_spec(self, name: str) -> ModelSpec:
        """What `models` says of a speech LLM, or its defaults where it is named in an arm alone."""
        spec = self.models.get(name)
        return spec if isinstance(spec, ModelSpec) else ModelSpec(id=name)


def load_study(source: str | Path | Mapping[str, Any] | None = None, **overrides: Any) -> tuple[Study, Path]:
    """Read a study file (or a preset's name, or a file's keys; default: `pocket`), laid over what it `extends`.

    `overrides` replace top-level keys last (None: left alone). Returns the study and the directory that its
    relative paths start from. Raises `UsageError` naming the key that is wrong and the valid ones.
    """
    if isinstance(source, Mapping):
        name, raw, base = "study", dict(source), Path.cwd()
    elif (name := str(source or "pocket")) in PRESETS:
        raw, base = _preset(name), Path.cwd()
    else:
        path = Path(name)
        raw, base = {"name": path.stem} | _yaml(path), path.resolve().parent
    if (parent := raw.pop("extends", None)) is not None:
        if parent not in PRESETS:
            raise UsageError(f"{name}: extends '{parent}'; the presets are: {', '.join(PRESETS)}")
        raw = laid_over(_preset(parent), raw, name)
    raw |= {key: value for key, value in overrides.items() if value is not None}
    try:
        return Study.model_validate(raw), base
    except ValidationError as error:
        raise UsageError(f"{name}: {_explain(error)}") from None


def _preset(name: str) -> dict[str, Any]:
    text = (files("cascade_equivalence.study") / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    raw = dict(parse_yaml(text, name))
    parent = raw.pop("extends", None)
    return (_preset(parent) if parent else {}) | {"name": name} | raw


def _yaml(path: Path) -> dict[str, Any]:
    try:
        value = load_yaml(path)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"study '{path}' cannot be read ({why}); give a YAML file or a preset ({', '.join(PRESETS)})"
        ) from None
    if not isinstance(value, dict):
        raise UsageError(f"{path}: a study is a mapping of keys")
    return value


WHOLE = {"string_type", "literal_error"}
"""Errors of what should have been one word and is a mapping."""


def _explain(error: ValidationError) -> str:
    """The first thing that is wrong, in words."""
    found = error.errors()
    first = found[0]
    for error_at, one in enumerate(found):
        # A mapping where a name would do as well: what is wrong in the mapping tells more.
        if error_at and first["type"] in WHOLE and one["loc"][: len(first["loc"]) - 1] == first["loc"][:-1]:
            first = one if one["loc"][:-1] != first["loc"][:-1] or one["type"] == "value_error" else first
    place = ".".join(str(part) for part in first["loc"] if not _is_type_name(part))
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        valid = sorted(_fields_at(first["loc"]))
        close = difflib.get_close_matches(key, valid, 1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        return f"unknown key '{place}'; {hint}valid keys: {', '.join(valid)}"
    message = first["msg"].removeprefix("Value error, ") + cure(first["type"], first.get("input"))
    return f"{place}: {message}" if place else message


MODELS: dict[str, type[BaseModel]] = {
    "ModelSpec": ModelSpec,
    "EndpointSpec": EndpointSpec,
    "PredictionsSpec": PredictionsSpec,
}


def _is_type_name(part: Any) -> bool:
    words = {"literal['matched']", "literal['auto','here']"}
    names = {"str", "TaskSpec", "FormSpec", "HubSpec", "Pairs", "Of", "ExecutorSpec", *words, *MODELS}
    return part in names or str(part).startswith("function-after[")


def _fields_at(location: tuple[Any, ...]) -> set[str]:
    nested: dict[str, type[BaseModel]] = {
        "models": ModelSpec,
        "arms": ArmSpec,
        "tasks": TaskSpec,
        "comparisons": Pairs,
        "checks": Checks,
        "executor": ExecutorSpec,
    }
    if "FormSpec" in location:
        return set(FormSpec.model_fields)
    if location[0] == "executor" and "ray" in location[:-1]:
        return set(RaySpec.model_fields)
    if len(location) > 1 and location[0] == "mechanism":
        return set(MechanismSpec.model_fields)
    if len(location) > 3 and location[0] == "models" and location[2] in MODELS:
        return set(MODELS[location[2]].model_fields)
    if len(location) > 1 and location[0] in nested:
        return set(nested[location[0]].model_fields)
    return {*Study.model_fields, "extends"}
