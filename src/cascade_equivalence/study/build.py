"""From a study to a plan: tasks read, models located and identified, names resolved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cascade_equivalence.audio.condition import Condition, parse_condition
from cascade_equivalence.errors import ModelError, UsageError
from cascade_equivalence.hashing import digest_of
from cascade_equivalence.run.plan import ArmPlan, LocalModel, Model, Plan, Sizes, SpeechModel
from cascade_equivalence.study.spec import ArmSpec, ModelSpec, Of, Study, TaskSpec
from cascade_equivalence.study.tasks import build_task
from cascade_equivalence.systems.identity import Identity, fingerprints, identify
from cascade_equivalence.systems.loading import Check, Role, locate, place
from cascade_equivalence.systems.prompting import Style, style_of
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
    there = {condition.name: condition for found in by_task.values() for condition in found}
    first = [name for name in study.conditions if name in there]
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
    tasks = build_tasks(study, base, say)
    conditions, own_conditions = _conditions(study, tasks, base)
    builder = _Builder(study, say, own or {})
    arms, same = _distinct(builder, {name: builder.arm(name, spec) for name, spec in study.arms.items()})
    return Plan(
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
    say: Callable[[str], None]
    own: Mapping[str, OwnSpeechLLM]
    models: dict[str, Model] = field(default_factory=dict)

    def arm(self, name: str, spec: ArmSpec) -> ArmPlan:
        """The plan of one arm: the one place that asks which of its fields are set."""
        if spec.planted:
            planted = self._planted(name, spec)
            return ArmPlan(name, "speech", None, planted.name, planted.llm, self._style(planted))
        if spec.speech_llm:
            speech = self._speech(spec.speech_llm)
            return ArmPlan(name, "speech", None, speech.name, speech.llm, self._style(speech))
        if spec.asr:
            self._local(spec.asr, "asr")
        if isinstance(spec.llm, Of):
            speech = self._speech(self.study.speech_llm_of(spec.llm))
            llm, style = speech.llm, self._style(speech)
        else:
            assert spec.llm is not None
            llm = spec.llm
            style = style_of(llm, self._local(llm, "llm").directory, self.study.models[llm].prompt, self.say)
        return ArmPlan(name, "cascade" if spec.asr else "gold", spec.asr, llm, llm, style)

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
        if wanted == "auto" and llm.name in self.study.models:
            wanted = self.study.models[llm.name].prompt
        return style_of(llm.name, llm.directory, wanted, self.say)

    def _known(self, name: str) -> LocalModel:
        model = self.models[name]
        assert isinstance(model, LocalModel)
        return model

    def _local(self, name: str, role: Role) -> LocalModel:
        if name not in self.models:
            spec = self.study.models[name]
            decoding = {"padding": spec.padding, "language": "en"} if role == "asr" else {}
            directory = self._locate(spec.id, spec.revision)
            placed = self._placed(name, spec, spec.id, directory, role, **decoding)
            self.models[name] = replace(placed, padding=spec.padding)
        return self._known(name)

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
            raise ModelError(f"speech_llm '{name}' is not among the study's models ({known}); {error}") from None
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
            pinned = [other.revision for other in self.study.models.values() if other.id == named and other.revision]
            return str(named), self._locate(named, pinned[0] if pinned else None)
        revision = None
        if wanted in self.study.models:
            other = self.study.models[wanted]
            wanted, revision = other.id, other.revision
        self.say(f"{speech}: its {key} from '{wanted}', as the study says, instead of '{named}'")
        return wanted, self._locate(wanted, revision)

    def _llms(self) -> list[str]:
        """The LLMs that the study's text arms name."""
        return list(dict.fromkeys(arm.llm for arm in self.study.arms.values() if isinstance(arm.llm, str)))

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
        return locate(model_id, self.say, revision, check)


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
