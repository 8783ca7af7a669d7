"""Where a study's work is done: the `executor:` key, and the executor that it names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from cascade_equivalence.errors import UsageError
from cascade_equivalence.study.strict import Strict

if TYPE_CHECKING:
    from cascade_equivalence.audio.store import ClipStore
    from cascade_equivalence.run.executors import Executor
    from cascade_equivalence.run.plan import Plan
    from cascade_equivalence.run.run import Makes


class RaySpec(Strict):
    """Workers on a Ray cluster (extra `[ray]`).

    address: as `ray.init` takes it. workers: how many; default: as many as there is room for at the start. cpus, gpus,
    resources: of each. runtime_env: code and packages for the nodes, as Ray takes it.
    """

    address: str = "auto"
    workers: int | None = Field(default=None, ge=1, le=1024)
    cpus: float = Field(default=1, gt=0, le=1024)
    gpus: float = Field(default=0, ge=0, le=1024)
    resources: dict[str, float] = Field(default_factory=dict)
    runtime_env: dict[str, Any] | None = None


class ExecutorSpec(Strict):
    """Several workers, each with models of its own.

    devices: one worker process on each, by torch's names. workers: so many on the CPU. threads: of each worker;
    default: its share of the processors. ray: on a cluster, by its address alone or with more.
    """

    devices: list[str] | None = Field(default=None, min_length=1, max_length=1024)
    workers: int | None = Field(default=None, ge=1, le=1024)
    threads: int | None = Field(default=None, ge=1, le=1024)
    ray: RaySpec | None = None

    @field_validator("ray", mode="before")
    @classmethod
    def _by_address(cls, raw: Any) -> Any:
        return {"address": raw} if isinstance(raw, str) else raw

    @model_validator(mode="after")
    def _one_way(self) -> ExecutorSpec:
        if [self.devices, self.workers, self.ray].count(None) != 2:
            raise ValueError(
                "an executor has exactly one of devices: [cuda:0, cuda:1], workers: <number on the CPU>, "
                "ray: {address: …}"
            )
        if self.ray and self.threads:
            raise ValueError("threads: of workers on Ray are their cpus")
        if len({kind_of(device) for device in self.places}) > 1:
            raise ValueError("devices: all of one type; an answer must not depend on which of them gave it")
        return self

    @property
    def places(self) -> list[str]:
        """The device of each worker; on Ray, of any."""
        if self.ray:
            return ["cuda" if self.ray.gpus else "cpu"]
        return self.devices or ["cpu"] * (self.workers or 1)


Where = Literal["auto", "here"] | ExecutorSpec


def kind_of(device: str) -> str:
    """A device's type: `cuda` of `cuda:1`."""
    return device.partition(":")[0]


def executor_of(where: Where, say: Callable[[str], None]) -> Makes | None:
    """What makes the executor of a study; None: this process does all. say: is told what workers load.

    The maker raises `UsageError` or `ModelError` where a device is not there or a model is on another.
    """
    if isinstance(where, str):
        return None
    from cascade_equivalence.run.plan import LocalModel, SpeechModel
    from cascade_equivalence.run.pool import Pool
    from cascade_equivalence.run.workers import Processes, share_of_threads
    from cascade_equivalence.systems.loading import place

    places, ray = where.places, where.ray
    threads = where.threads or share_of_threads(len(places))

    def make(here: Executor, plan: Plan, store: ClipStore) -> Executor:
        # What a cluster's nodes have, this process need not have.
        for device in () if ray else dict.fromkeys(places):
            place("llm", device, "float32", None)
        local = [model for model in plan.models.values() if isinstance(model, LocalModel | SpeechModel)]
        if local and not any(model.identity.device == kind_of(places[0]) for model in local):
            raise UsageError(
                f"executor: its devices are {kind_of(places[0])}, and model '{local[0].name}' is on "
                f"{local[0].identity.device}; leave device: out, or name devices of that type"
            )
        if ray:
            from cascade_equivalence.run.ray_workers import Cluster, OnRay

            cluster = Cluster(ray.address, ray.workers, ray.cpus, ray.gpus, ray.resources, ray.runtime_env)
            return Pool(plan, here, OnRay(plan, store, cluster, say))
        return Pool(plan, here, Processes(plan, store, places, threads, say))

    return make
