"""From a study to a plan: tasks read, models located and identified, names resolved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from cascade_equivalence.audio.condition import Condition, parse_condition
from cascade_equivalence.errors import ModelError, UsageError
from cascade_equivalence.hashing import digest_of
from cascade_equivalence.run.plan import (
    ArmPlan,
    EndpointModel,
    FileModel,
    LocalModel,
    Model,
    Plan,
    Sizes,
    SpeechModel,
    forget_files,
)
from cascade_equivalence.study.outside import EndpointSpec, PredictionsSpec, one_way
from cascade_equivalence.study.spec import ArmSpec, ModelSpec, Of, Study, TaskSpec
from cascade_equivalence.study.tasks import build_task
from cascade_equivalence.systems.identity import Identity, fingerprints, identify
from cascade_equivalence.systems.loading import Check, Placement, Role, fits_role, locate, place, read_config
from cascade_equivalence.systems.prompting import Style, style_of
from cascade_equivalence.systems.remote.predictions import match_trials, read_predictions
from cascade_equivalence.systems.speech.own import OwnSpeechLLM
from cascade_equivalence.tasks.permute import permuted
from cascade_equivalence.tasks.task import Task, corpus_dir


def build_tasks(study: Study, base: Path, say: Callable[[str], None] = lambda _: None) -> tuple[Task, ...]:
    """The tasks of a study with their items, then those with their options in other orders.

    Public data sets that are not in the cache are fetched, and texts that an arm is to hear are spoken, after saying
    so. Raises `UsageError`.
    """
    specs = [TaskSpec(task=spec) if isinstance(spec, str) else spec for spec in study.tasks]
    hears = any(arm.transcript is None for arm in study.arms.values())
    tasks = [build_task(study, spec, base, say, hears) for spec in specs]
    names = [task.name for task in tasks]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"tasks: '{twice[0]}' is there twice; give one of them another name")
    orders = [study.permute if spec.permute is None else spec.permute for spec in specs]
    return (*tasks, *(variant for task, seeds in zip(tasks, orders, strict=True) for variant in permuted(task, seeds)))


def _conditions(
    study: Study, tasks: Sequence[Task], base: Path
) -> tuple[tuple[Condition, ...], dict[str, tuple[Condition, ...]]]:
    """All conditions of a study, and those of each task. A task in another order has the first one without any step."""
    own = {spec.title(): spec.conditions for spec in study.tasks if isinstance(spec, TaskSpec) and spec.conditions}
    by_task = {}
    for task in tasks:
        if task.variant_of is None:
            found = tuple(parse_condition(text, base) for text in own.get(task.name, study.conditions))
            for at, one in enumerate(found):
                if same := [other.name for other in found[:at] if other.recipe == one.recipe]:
                    where = f"conditions of task '{task.name}'" if task.name in own else "conditions"
                    raise UsageError(f"{where}: one is there twice ('{same[0]}' and '{one.name}')")
            by_task[task.name] = found
        else:
            base_ones = by_task[task.variant_of]
            by_task[task.name] = (next((c for c in base_ones if not c.steps), base_ones[0]),)
    there: dict[str, Condition] = {}
    for condition in (condition for found in by_task.values() for condition in found):
        if there.setdefault(condition.name, condition).recipe != condition.recipe:
            raise UsageError(f"conditions: two are called '{condition.name}'; give one a name: {{name: …, chain: …}}")
    first = [name for text in study.conditions if (name := parse_condition(text, base).name) in there]
    return tuple(there[name] for name in dict.fromkeys([*first, *there])), by_task


def build_plan(
    study: Study,
    base: Path,
    say: Callable[[str], None],
    own: Mapping[str, OwnSpeechLLM] | None = None,
) -> Plan:
    """Resolve a study. Embedded models that are missing are fetched, after saying so.

    own: speech LLMs made in Python, by the name that arms give as `speech_llm`. Raises `UsageError` or `ModelError`.
    """
    forget_files()
    tasks = build_tasks(study, base, say)
    conditions, own_conditions = _conditions(study, tasks, base)
    builder = _Builder(study, base, say, own or {})
    arms, same = _distinct(builder, {name: builder.arm(name, spec) for name, spec in study.arms.items()})
    plan = Plan(
        tasks=tasks,
        conditions=conditions,
        models=builder.models,
        arms=arms,
        answer=study.answer,
        seed=study.seed,
        talkers=(base / study.babble) if study.babble else corpus_dir() / "babble.jsonl",
        same=same,
        own=own_conditions,
        calibration=study.calibration,
        sizes=Sizes(**study.checks.model_dump()),
        requests={name: arm.latency for name, arm in study.arms.items() if arm.latency is not None},
    )
    _check_outside(plan, say)
    return plan


def _check_outside(plan: Plan, say: Callable[[str], None]) -> None:
    """Raises `UsageError` where an endpoint cannot answer the way the study wants; says how files fit the trials."""
    closed = [task for task in plan.tasks if plan.mode(task) == "labels"]
    for arm in plan.arms:
        if closed and isinstance(model := plan.models[arm.answers], EndpointModel):
            one_way(arm.name, model.name, model.endpoint, "labels")
    for model in plan.models.values():
        if isinstance(model, FileModel):
            trials = [(task.name, t.item.id, t.condition.name) for task in plan.tasks for t in plan.trials(task)]
            say(match_trials(model.predictions, trials).words())


def _distinct(builder: _Builder, arms: Mapping[str, ArmPlan]) -> tuple[tuple[ArmPlan, ...], dict[str, str]]:
    """The arms to run, and for each that is identical to one of them by fingerprint its name → that one's."""
    first: dict[object, str] = {}
    same: dict[str, str] = {}
    for name, arm in arms.items():
        other = first.setdefault(builder.fingerprint(arm), name)
        if other != name:
            same[name] = other
    return tuple(arm for name, arm in arms.items() if name not in same), same


@dataclass(slots=True)
class _Builder:
    """Models located and identified once each."""

    study: Study
    base: Path
    say: Callable[[str], None]
    own: Mapping[str, OwnSpeechLLM]
    models: dict[str, Model] = field(default_factory=dict)

    def arm(self, name: str, spec: ArmSpec) -> ArmPlan:
        """The plan of one arm: the one place that asks which of its fields are set."""
        if spec.planted:
            planted = self._planted(name, spec)
            return ArmPlan(name, "speech", None, planted.name, planted.llm, self._style(planted))
        if spec.speech_llm:
            return self._listening(name, spec.speech_llm)
        if spec.asr:
            self._hearing(name, spec.asr)
        of = isinstance(spec.llm, Of)
        llm = self.study.speech_llm_of(spec.llm) if isinstance(spec.llm, Of) else spec.llm
        assert llm is not None
        match self._outside(llm):
            case FileModel():
                raise UsageError(f"arm '{name}': '{llm}' is a file of predictions, which cannot read a transcript")
            case EndpointModel(endpoint=endpoint):
                style: Style = "chat" if endpoint.text == "chat" else "plain"
            case None if of:
                speech = self._speech(llm)
                llm, style = speech.llm, self._style(speech)
            case None:
                read = self.study.models[llm]
                assert isinstance(read, ModelSpec)
                style = style_of(llm, self._local(llm, "llm").directory, read.prompt, self.say)
        return ArmPlan(name, "cascade" if spec.asr else "gold", spec.asr, llm, llm, style)

    def _hearing(self, arm: str, asr: str) -> None:
        """Have an ASR among the models."""
        outside = self._outside(asr)
        if outside is None:
            self._local(asr, "asr")
        elif isinstance(outside, EndpointModel) and outside.endpoint.wire != "openai":
            raise UsageError(
                f"arm '{arm}': '{asr}' cannot be its asr; transcripts come from an endpoint of kind openai, a file of "
                "predictions or weights"
            )

    def _listening(self, name: str, key: str) -> ArmPlan:
        """The plan of an arm that is given sound itself."""
        match self._outside(key):
            case FileModel():
                return ArmPlan(name, "speech", None, key, None, "chat")
            case EndpointModel():
                # Its language model is what answers other arms' transcripts on the same server, if any are asked there.
                read = {self.study.speech_llm_of(a.llm) if isinstance(a.llm, Of) else a.llm for a in self._texts()}
                return ArmPlan(name, "speech", None, key, key if key in read else None, "chat")
            case None:
                speech = self._speech(key)
                return ArmPlan(name, "speech", None, speech.name, speech.llm, self._style(speech))

    def _texts(self) -> list[ArmSpec]:
        return [arm for arm in self.study.arms.values() if arm.llm is not None]

    def _outside(self, name: str) -> EndpointModel | FileModel | None:
        """A model without weights; None for one with."""
        if name not in self.models:
            match self.study.models.get(name):
                case EndpointSpec() as spec:
                    endpoint = spec.resolved(name)
                    self.models[name] = EndpointModel(name, endpoint, endpoint.identity())
                case PredictionsSpec() as spec:
                    found = read_predictions(self.base / spec.predictions, spec.key, spec.condition)
                    self.models[name] = FileModel(name, found, found.identity())
        model = self.models.get(name)
        return model if isinstance(model, EndpointModel | FileModel) else None

    def fingerprint(self, arm: ArmPlan) -> object:
        """What tells two arms apart; of an arm with weights that cannot be known, its name."""
        parts = [self.models[name].identity for name in (arm.asr, arm.answers) if name]
        if any(part.weights is None for part in parts):
            return arm.name
        return (arm.kind, arm.style, *(part.digest() for part in parts))

    def _style(self, speech: SpeechModel) -> Style:
        """A speech LLM's prompts, as its arm and its self-cascade read them.

        `auto` follows the study's own model where that is the same LLM, so that matched arms get the same words.
        """
        wanted, llm = self.study.speech_spec(speech.name).prompt, self._known(speech.llm)
        if wanted == "auto" and isinstance(spec := self.study.models.get(llm.name), ModelSpec):
            wanted = spec.prompt
        return style_of(llm.name, llm.directory, wanted, self.say)

    def _known(self, name: str) -> LocalModel:
        model = self.models[name]
        assert isinstance(model, LocalModel)
        return model

    def _local(self, name: str, role: Role) -> LocalModel:
        if name not in self.models:
            spec = self.study.models[name]
            assert isinstance(spec, ModelSpec)
            decoding = {"padding": spec.padding, "language": "en"} if role == "asr" else {}
            if role == "asr" and spec.runtime == "faster-whisper":
                self.models[name] = self._faster_whisper(name, spec)
                return self._known(name)
            directory = self._locate(spec.id, spec.revision, partial(fits_role, name, role))
            placed = self._placed(name, spec, spec.id, directory, role, **decoding)
            self.models[name] = replace(placed, padding=spec.padding)
        model = self._known(name)
        if model.runtime != "faster-whisper" and (config := model.directory / "config.json").is_file():
            fits_role(name, role, read_config(config), str(config))  # another arm may have named it for another role
        return model

    def _faster_whisper(self, name: str, spec: ModelSpec) -> LocalModel:
        from cascade_equivalence.systems.remote import faster_whisper

        directory = faster_whisper.located(name, spec.id)
        dtype = (spec.dtype or self.study.dtype).replace("auto", "float32")
        device = (spec.device or self.study.device).replace("auto", "cpu")
        identity = faster_whisper.identify(name, spec.id, directory, device, dtype)
        return LocalModel(name, directory, Placement(device, dtype, 16), identity, runtime="faster-whisper")

    def _placed(
        self,
        name: str,
        spec: ModelSpec,
        source: str,
        directory: Path,
        role: Role,
        lora: str | None = None,
        **decoding: str,
    ) -> LocalModel:
        study = self.study
        placement = place(role, spec.device or study.device, spec.dtype or study.dtype, spec.batch_size)
        return LocalModel(
            name, directory, placement, identify(source, directory, placement, self.say, lora, **decoding)
        )

    def _speech(self, name: str) -> SpeechModel:
        if name not in self.models:
            made = self._own(name, self.own[name]) if name in self.own else self._from_weights(name)
            self.models[name] = made
        model = self.models[name]
        if not isinstance(model, SpeechModel):
            raise UsageError(f"model '{name}' is a speech_llm in one arm and an asr or llm in another")
        return model

    def _from_weights(self, name: str) -> SpeechModel:
        spec = self.study.speech_spec(name)
        from cascade_equivalence.systems.speech.families import decide

        try:
            directory = self._locate(spec.id, spec.revision, decide)
        except ModelError as error:
            if name in self.study.models:
                raise
            known = ", ".join([*self.study.models, *self.own])
            raise ModelError(
                f"speech_llm '{name}' is not among the study's models ({known}); {error}; a Python object is given "
                f"to run_study(…, own={{'{name}': …}})"
            ) from None
        from cascade_equivalence.systems.speech.loading import (
            check_layout,
            encoder_of,
            language_model_of,
            lora_of,
            reading_of,
        )
        from cascade_equivalence.systems.speech.weights import submodules

        check_layout(directory)
        base = self._part(name, "llm", spec.llm, language_model_of(directory))
        ears = self._part(name, "encoder", spec.encoder, encoder_of(directory))
        own = self._placed(
            f"{name} connector", spec, spec.id, directory, "llm", lora_of(directory), **reading_of(directory)
        )
        modules = fingerprints(directory, submodules(directory), self.say)
        own = replace(own, identity=replace(own.identity, modules=modules))
        llm = self._inside(name, own) if base is None else self._language_model(name, spec, *base)
        encoder = None
        parts = {"connector": own.identity, "llm": llm.identity}
        if ears is not None:
            encoder = self._placed(f"{name} encoder", spec, *ears, "asr")
            parts = {"encoder": encoder.identity, **parts}
        return SpeechModel(
            name, directory, llm.placement, _whole(spec.id, own.identity.source, parts), llm.name, encoder, parts
        )

    def _language_model(self, speech: str, spec: ModelSpec, source: str, directory: Path) -> LocalModel:
        """A speech LLM's own language model: under the name of the study's LLM that is the same, or its own."""
        name = f"{speech} llm"
        mine = self._placed(name, spec, source, directory, "llm")
        for other in self._llms():
            theirs = self._local(other, "llm")
            if spec.batch_size is None:
                size = theirs.placement.batch_size
                mine = self._placed(name, spec.model_copy(update={"batch_size": size}), source, directory, "llm")
            if mine.identity.weights is not None and mine.identity.digest() == theirs.identity.digest():
                return theirs
        self.models[name] = mine
        return mine

    def _inside(self, speech: str, whole: LocalModel) -> LocalModel:
        """A language model that lies in the speech LLM's own checkpoint."""
        name = f"{speech} llm"
        weights = whole.identity.modules.get("language_model", whole.identity.weights)
        identity = replace(whole.identity, weights=weights, modules={})
        self.models[name] = replace(whole, name=name, identity=identity, inside=speech)
        return self._known(name)

    def _part(self, speech: str, key: str, wanted: str | None, named: str | Path | None) -> tuple[str, Path] | None:
        """Name and directory of what a speech LLM builds on, taken from where the study says, if it does."""
        if named is None:
            if wanted is not None:
                raise UsageError(f"models.{speech}.{key}: '{speech}' brings its own {key}; leave the key out")
            return None
        if wanted is None:
            if isinstance(named, Path):
                return str(named), named
            # At the revision that the study pins where it names the same repository.
            pinned = [other.revision for other in self._weights() if other.id == named and other.revision]
            return str(named), self._locate(named, pinned[0] if pinned else None)
        revision = None
        if isinstance(other := self.study.models.get(wanted), ModelSpec):
            wanted, revision = other.id, other.revision
        self.say(f"{speech}: its {key} from '{wanted}', as the study says, instead of '{named}'")
        return wanted, self._locate(wanted, revision)

    def _weights(self) -> list[ModelSpec]:
        return [spec for spec in self.study.models.values() if isinstance(spec, ModelSpec)]

    def _llms(self) -> list[str]:
        """The LLMs that the study's text arms name."""
        named = dict.fromkeys(arm.llm for arm in self.study.arms.values() if isinstance(arm.llm, str))
        return [name for name in named if self._outside(name) is None]

    def _own(self, name: str, own: OwnSpeechLLM) -> SpeechModel:
        if own.llm not in self.study.models:
            raise UsageError(f"speech LLM '{name}': no model '{own.llm}'; there are: {', '.join(self.study.models)}")
        llm = self._local(own.llm, "llm")
        ears = replace(llm.identity, name=name, source="python", weights=digest_of(dict(own.facts)), modules={})
        parts = {"connector": ears, "llm": llm.identity}
        identity = _whole(name, "python", parts)
        planted = own.facts.get("planted")
        return SpeechModel(name, None, llm.placement, identity, llm.name, None, parts, own.load, planted)

    def _planted(self, name: str, spec: ArmSpec) -> SpeechModel:
        from cascade_equivalence.systems.planting import Recogniser, plant

        assert spec.planted and isinstance(spec.llm, str)
        asr = None
        if spec.asr:
            model = self._local(spec.asr, "asr")
            digest = model.identity.digest()
            asr = Recogniser(model.name, model.directory, model.placement, model.padding, digest)
        made = self._own(f"planted {name}", plant(spec.planted, spec.llm, asr))
        self.models[made.name] = made
        return made

    def _locate(self, model_id: str, revision: str | None = None, check: Check | None = None) -> Path:
        """Beside the study file first, then embedded, then on the hub."""
        beside = self.base / model_id
        return locate(str(beside) if (beside / "config.json").is_file() else model_id, self.say, revision, check)


def _whole(name: str, source: str, parts: Mapping[str, Identity]) -> Identity:
    """The identity of a speech LLM from those of its parts."""
    weights = {role: part.weights for role, part in parts.items()}
    return replace(
        parts["llm"],
        name=name,
        source=source,
        weights=None if None in weights.values() else digest_of(weights),
        modules={_ROLES[role]: value for role, value in weights.items() if value},
    )


_ROLES = {"encoder": "audio_tower", "connector": "connector", "llm": "language_model"}
