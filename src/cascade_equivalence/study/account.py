"""What a study will cost before it starts: downloads, memory, trials, time, requests, and what is missing.

Pure: a study and the facts of a machine in, a frozen account out. Nothing is asked of any host; sizes are those of
`hub_models.py` and `public/sets.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cascade_equivalence.pocket import fetch, shipped
from cascade_equivalence.pocket.registry import EMBEDDED, KOKORO
from cascade_equivalence.public.speech import SPEED
from cascade_equivalence.reading.terminal import short
from cascade_equivalence.study.hub_models import HUB_MODELS
from cascade_equivalence.study.machine import Machine
from cascade_equivalence.study.optional import available, lacking, outside
from cascade_equivalence.study.outside import EndpointSpec
from cascade_equivalence.study.spec import ArmSpec, ModelSpec, Of, Study, TaskSpec
from cascade_equivalence.study.tasks import dataset_of
from cascade_equivalence.tasks.manifest import read_manifest
from cascade_equivalence.tasks.task import load_task

SECONDS_PER_BILLION = {"accelerator": 0.01, "cpu": 0.6}
"""Stated rate: seconds a trial takes per billion parameters, batched. The CPU's is of two server cores in float32
(SmolLM2 and Whisper base), the accelerator's is assumed, not measured."""

SECONDS = 5.0
"""Of speech in an item, where a data set does not say."""
WORDS = 150.0
"""Tokens of a question in text, assumed for the cost of requests."""
WRITTEN = 32.0
"""Tokens of an answer, at most, on closed tasks."""


@dataclass(frozen=True, slots=True)
class Download:
    """Something that is fetched, or is there. gb: on disk (None: not known before the hub is asked)."""

    kind: str
    name: str
    source: str
    revision: str | None
    gb: float | None
    cached: bool
    licence: str
    gated: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory while it is worked with, GB at its dtype (None: not known)."""

    name: str
    gb: float | None


@dataclass(frozen=True, slots=True)
class ArmCost:
    """trials: (item, condition) pairs. seconds: with the checks, at the stated rate (None: a size or an endpoint's time
    that is not known)."""

    arm: str
    trials: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Requests:
    """What a model behind a server is asked at least: checks and repeats after faults come on top.

    seconds: of sound sent. cost: dollars, None without prices. key: the variable that holds its key, and whether it is
    set.
    """

    model: str
    host: str
    requests: int
    seconds: float
    cost: float | None
    key: str | None
    has_key: bool


@dataclass(frozen=True, slots=True)
class Task:
    """items: evaluated; to_speak: texts that are not spoken yet, with the seconds of sound they make. seconds: of
    speech in an item, about."""

    name: str
    items: int
    conditions: int
    to_speak: int
    sound: float
    seconds: float = SECONDS


@dataclass(frozen=True, slots=True)
class Account:
    """Everything that a study will fetch, hold, ask and wait for. `missing` (with its cure) keeps it from starting;
    left_out: optional arms that it does without, and why."""

    study: str
    downloads: tuple[Download, ...]
    loaded: tuple[Loaded, ...]
    tasks: tuple[Task, ...]
    arms: tuple[ArmCost, ...]
    requests: tuple[Requests, ...]
    missing: tuple[str, ...]
    left_out: dict[str, str]
    notes: tuple[str, ...]

    @property
    def fetch_gb(self) -> float:
        """GB to fetch, as far as it is known."""
        return sum(one.gb or 0.0 for one in self.downloads if not one.cached)

    @property
    def can_start(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


def account_of(study: Study, base: Path, machine: Machine) -> Account:
    """The account of a study on a machine. Raises `UsageError` for tasks and models that are not there."""
    tasks = [_task(study, one, base) for one in study.tasks]
    downloads = [*_model_downloads(study, base, machine), *_data_downloads(study, base, machine, tasks)]
    arms = [_arm(study, name, arm, tasks, machine) for name, arm in study.arms.items()]
    loaded = _loaded(study, machine)
    _, left_out = available(study, base, machine)
    asked = [arm for name, arm in study.arms.items() if name not in left_out]
    missing = [
        *_places(study),
        *_packages(study, machine),
        *_gates(downloads, machine),
        *dict.fromkeys(one for arm in asked for one in lacking(study, arm, base, machine)),
        *_room(study, downloads, loaded, machine),
    ]
    return Account(
        study.name,
        tuple(downloads),
        tuple(loaded),
        tuple(one[0] for one in tasks),
        tuple(arms),
        tuple(_requests(study, [one[0] for one in tasks], machine)),
        tuple(missing),
        left_out,
        tuple(_notes(study, machine)),
    )


def _task(study: Study, entry: str | TaskSpec, base: Path) -> tuple[Task, tuple[str, ...]]:
    """A task's size and its conditions, without fetching it."""
    spec = TaskSpec(task=entry) if isinstance(entry, str) else entry
    conditions = tuple(spec.conditions or study.conditions)
    limits = [limit for limit in (spec.limit, study.limit) if limit is not None]
    to_speak, seconds = 0, SECONDS
    if spec.dataset is not None:
        wanted = dataset_of(spec, base)
        seconds = wanted.chosen.seconds
        rows = wanted.rows or wanted.chosen.rows or 0
        if wanted.is_there():
            rows = len(read_manifest(wanted.manifest(), spec.where))
        items = min([rows, *limits])
        if wanted.chosen.spoken and any(arm.transcript is None for arm in study.arms.values()):
            to_speak = _unspoken(spec, wanted.manifest(), items, wanted.is_there())
    else:
        manifest = base / spec.manifest if spec.manifest else None
        most = min(limits, default=None)
        items = len(load_task(spec.title(), manifest, spec.where, most, spec.voice, spec.wording()).items)
    seeds = study.permute if spec.permute is None else spec.permute
    versions = len(conditions) + len(seeds)
    return Task(spec.title(), items, versions, to_speak, to_speak * seconds, seconds), conditions


def _unspoken(spec: TaskSpec, manifest: Path, items: int, there: bool) -> int:
    if not there:
        return items
    from cascade_equivalence.public.speech import unspoken

    task = load_task(spec.title(), manifest, spec.where, items, form=spec.wording())
    return len(unspoken(task.items))


def _used(study: Study) -> dict[str, ModelSpec]:
    """The models with weights that arms name, with speech LLMs that are named in an arm alone."""
    names: dict[str, ModelSpec] = {}
    for arm in study.arms.values():
        llm = study.speech_llm_of(arm.llm) if isinstance(arm.llm, Of) else arm.llm
        for name in (arm.asr, llm, arm.speech_llm):
            if name is not None and isinstance(study.models.get(name), ModelSpec | None):
                names[name] = study.speech_spec(name)
    return names


def _model_downloads(study: Study, base: Path, machine: Machine) -> list[Download]:
    found: dict[str, Download] = {}
    for spec in _used(study).values():
        for hub_id in (spec.id, *(HUB_MODELS[spec.id].needs if spec.id in HUB_MODELS else ())):
            revision = spec.revision if hub_id == spec.id else None
            found.setdefault(hub_id, _model_download(hub_id, revision, base, machine))
    return list(found.values())


def _model_download(model_id: str, revision: str | None, base: Path, machine: Machine) -> Download:
    if model_id in EMBEDDED:
        model = EMBEDDED[model_id]
        source = ", ".join(dict.fromkeys(package.registry for package in model.packages))
        return Download(
            "model", model_id, source, None, model.download_mb / 1000, fetch.is_pulled(model), model.licence
        )
    if model_id in shipped.SHIPPED:
        return Download("model", model_id, "comes with the package", None, 0.0, True, shipped.SHIPPED[model_id].licence)
    if Path(model_id).is_dir() or (base / model_id / "config.json").is_file():
        return Download("model", model_id, "a folder of this machine", None, 0.0, True, "")
    known = HUB_MODELS.get(model_id)
    return Download(
        "model",
        model_id,
        "Hugging Face hub",
        revision or (known.revision if known else None),
        known.disk_gb if known else None,
        machine.has_repository(model_id),
        known.licence if known else "see its card",
        known.gated if known else False,
        known.note if known else "size and gate are not known before the hub is asked",
    )


def _data_downloads(
    study: Study, base: Path, machine: Machine, tasks: Sequence[tuple[Task, tuple[str, ...]]]
) -> list[Download]:
    found = []
    for entry in study.tasks:
        if isinstance(entry, TaskSpec) and entry.dataset is not None:
            wanted = dataset_of(entry, base)
            chosen = wanted.chosen
            found.append(
                Download(
                    "data set",
                    entry.title(),
                    str(wanted.path) if wanted.path else f"Hugging Face hub: {chosen.hub.id}",
                    None if wanted.path else chosen.hub.revision,
                    0.0 if wanted.path else chosen.download_mb / 1000 or None,
                    wanted.is_there() or wanted.path is not None,
                    chosen.licence,
                )
            )
    if any(task.to_speak for task, _ in tasks):
        pulled = fetch.is_pulled(KOKORO)
        found.append(
            Download("voice", KOKORO.name, "pypi, npm", None, KOKORO.download_mb / 1000, pulled, KOKORO.licence)
        )
    return found


def _parameters(study: Study, name: str) -> float | None:
    """Billions of parameters of a model of the study, if they are known."""
    spec = _used(study).get(name) or study.models.get(name)
    if not isinstance(spec, ModelSpec):
        return None
    if spec.id in HUB_MODELS:
        known = HUB_MODELS[spec.id]
        return known.parameters + sum(HUB_MODELS[other].parameters for other in known.needs)
    return _EMBEDDED.get(spec.id)


_EMBEDDED = {
    "smollm2-135m": 0.135,
    "whisper-base": 0.074,
    "whisper-tiny.en": 0.039,
    "pocket-ctc": 0.17,
    "pocket-frames": 0.17,
}


def _arm(
    study: Study, name: str, arm: ArmSpec, tasks: Sequence[tuple[Task, tuple[str, ...]]], machine: Machine
) -> ArmCost:
    trials = sum(task.items * (1 if arm.transcript else task.conditions) for task, _ in tasks)
    llm = arm.llm if isinstance(arm.llm, str) else study.speech_llm_of(arm.llm) if arm.llm else arm.speech_llm
    sizes = [_parameters(study, one) for one in (arm.asr, llm) if one is not None]
    rate = SECONDS_PER_BILLION["accelerator" if machine.accelerator else "cpu"]
    asked = trials + study.checks.questions(trials, hears=arm.transcript is None, single=arm.latency)
    seconds = None if outside(study, arm) else _sum(sizes, asked * rate)
    return ArmCost(name, trials, seconds)


def _sum(sizes: Sequence[float | None], factor: float) -> float | None:
    return None if any(one is None for one in sizes) else sum(one or 0.0 for one in sizes) * factor


def _loaded(study: Study, machine: Machine) -> list[Loaded]:
    """Each model that no device is named for, alone: 2 bytes a parameter on an accelerator, 4 on a CPU or by dtype."""
    found = []
    for name, spec in _used(study).items():
        size = _parameters(study, name)
        dtype = spec.dtype if spec.dtype not in (None, "auto") else study.dtype
        wide = dtype == "float32" or (dtype == "auto" and not machine.accelerator)
        if spec.device is None:
            found.append(Loaded(name, None if size is None else size * (4 if wide else 2)))
    return found


def _requests(study: Study, tasks: Sequence[Task], machine: Machine) -> Iterator[Requests]:
    """One question an arm and trial, and one transcript a sound, by the model that is asked."""
    for name, spec in study.models.items():
        if not isinstance(spec, EndpointSpec):
            continue
        # What answers is named last.
        answers = [arm for arm in study.arms.values() if name in outside(study, arm)[arm.asr == name :]]
        asked = [(arm.speech_llm == name, bool(arm.transcript)) for arm in answers]
        if any(arm.asr == name for arm in study.arms.values()):
            asked.append((True, False))
        if not asked:
            continue
        endpoint = spec.resolved(name)
        requests, seconds = 0, 0.0
        for hears, once in asked:
            count = [(task, task.items * (1 if once else task.conditions)) for task in tasks]
            requests += sum(trials for _, trials in count)
            seconds += sum(trials * task.seconds for task, trials in count) if hears else 0.0
        prices = endpoint.prices
        cost = prices.of(requests * WORDS, seconds * endpoint.audio_rate, requests * WRITTEN) if prices else None
        key = endpoint.key_env
        yield Requests(name, ", ".join(endpoint.hosts), requests, seconds, cost, key, key in machine.keys)


_DEVICE = re.compile(r"auto|(?:cpu|cuda|mps|xpu|hpu|npu|mlu|meta|privateuseone|xla|vulkan|ipu|hip)(?::\d{1,3})?")


def _places(study: Study) -> list[str]:
    """Devices that no machine has, and ids that are paths with something to be put in."""
    devices = dict.fromkeys([study.device, *(spec.device for spec in _used(study).values() if spec.device)])
    told = [
        f"device '{short(one)}': write auto, cpu, cuda, cuda:1 or mps" for one in devices if not _DEVICE.fullmatch(one)
    ]
    ids = dict.fromkeys(spec.id for spec in _used(study).values())
    told += [
        f"model '{short(one)}': ~ and $NAME are not put in, write the path out" for one in ids if one[:1] in ("~", "$")
    ]
    return told


def _packages(study: Study, machine: Machine) -> list[str]:
    wanted: list[tuple[str, str, str]] = []
    if _used(study):
        wanted += [("torch", "models", "models run here"), ("transformers", "models", "models run here")]
    if any(isinstance(one, TaskSpec) and one.dataset is not None for one in study.tasks):
        wanted += [("huggingface_hub", "data", "data sets"), ("pyarrow", "data", "data sets")]
        wanted += [("onnxruntime", "speech", "texts are spoken")]
    every = [*study.conditions, *(c for one in study.tasks if isinstance(one, TaskSpec) for c in one.conditions or ())]
    if any(re.search(r"(^|\+|= )(reverb@|far_field)", c) for c in every):
        wanted += [("pyroomacoustics", "rooms", "simulated rooms")]
    absent = [(package, extra, why) for package, extra, why in wanted if package not in machine.packages]
    return [f"{p} is not installed ({why}): pip install 'cascade-equivalence[{extra}]'" for p, extra, why in absent]


def _gates(downloads: Sequence[Download], machine: Machine) -> list[str]:
    told = []
    for one in downloads:
        if one.gated and not one.cached and not machine.token:
            told.append(
                f"{one.name} asks for consent ({one.licence}): accept on its page at the hub, then log in (`hf auth "
                "login`, or HF_TOKEN)"
            )
        if machine.offline and one.source.startswith("Hugging Face hub") and not one.cached:
            told.append(f"{one.name} is not in the cache and HF_HUB_OFFLINE is set: unset it, or fetch it first")
    return told


def _room(study: Study, downloads: Sequence[Download], loaded: Sequence[Loaded], machine: Machine) -> list[str]:
    told = []
    there = study.memory or (machine.memory_gb if study.device == "auto" else 0.0)
    if there and (big := [one for one in loaded if one.gb and one.gb > there]):
        most = max(big, key=lambda one: one.gb or 0)
        where = "memory:" if study.memory else machine.accelerator or "this machine, without an accelerator,"
        told.append(
            f"{most.name} needs about {most.gb:.0f} GB and {where} has {there:.0f}: another machine, or dtype: bfloat16"
        )
    needed = sum(one.gb or 0.0 for one in downloads if not one.cached)
    if needed > machine.disk_gb:
        told.append(
            f"{needed:.0f} GB to fetch and {machine.disk_gb:.0f} GB free: make room, or move the hub's cache (HF_HOME)"
        )
    return told


def _notes(study: Study, machine: Machine) -> list[str]:
    rate = SECONDS_PER_BILLION["accelerator" if machine.accelerator else "cpu"]
    measured = "assumed, not measured" if machine.accelerator else "of two server cores"
    told = [
        f"times with the checks, at {rate:g} s for each trial and billion parameters ({measured}); texts are spoken at "
        f"{SPEED:g} times real time"
    ]
    if study.babble is None and any("babble@" in c for c in study.conditions):
        told.append("babble: the shipped talkers; babble: <folder>/musan/speech takes MUSAN's")
    if any(isinstance(study.models[name], EndpointSpec) for arm in study.arms.values() for name in outside(study, arm)):
        told.append(
            f"cost at {WORDS:g} tokens of text and {WRITTEN:g} written a request; hearing check and repeats come on top"
        )
    return told
