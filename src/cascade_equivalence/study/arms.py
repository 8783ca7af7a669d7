"""The arms of a run, as its journal describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal

Kind = Literal["gold", "cascade", "speech"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm as it was run.

    asr, llm: identities; asr_key, llm_key: their names in the study. parts: identities of a speech LLM's parts by
    role. same: names of further arms that are identical by fingerprint. latency: seconds of single items by stage.
    """

    name: str
    kind: Kind
    asr: Mapping[str, Any] | None
    llm: Mapping[str, Any]
    asr_key: str | None
    llm_key: str
    latency: tuple[Mapping[str, float], ...] = ()
    speech: Mapping[str, Any] | None = None
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    same: tuple[str, ...] = ()
    hearing_key: str | None = None
    retest_key: str | None = None

    @property
    def hears(self) -> bool:
        """Whether it is given audio."""
        return self.kind != "gold"

    @property
    def encoder(self) -> str | None:
        """Fingerprint of the weights it hears through."""
        heard = self.parts.get("encoder") or self.asr
        return None if heard is None else heard.get("weights")


def arms_of(
    study: Mapping[str, Any],
    recorded: Mapping[str, Any] | None,
    identities: Mapping[str, Any],
    latencies: list[Mapping[str, Any]],
) -> tuple[Arm, ...]:
    """The arms in the order of the study. recorded: fact `arms`; journals from before speech LLMs have none."""
    if recorded is None:
        recorded = {
            name: {"kind": "gold" if spec["transcript"] else "cascade", "asr": spec["asr"], "llm": spec["llm"]}
            for name, spec in study["arms"].items()
        }
    found = []
    for name, arm in recorded.items():
        timed = [fact["stages"] for fact in latencies if fact["arm"] == name]
        found.append(
            Arm(
                name=name,
                kind=arm["kind"],
                asr=identities.get(arm["asr"]) if arm["asr"] else None,
                llm=identities[arm["llm"]],
                asr_key=arm["asr"],
                llm_key=arm["llm"],
                latency=tuple(timed[-1]) if timed else (),
                speech=arm.get("speech"),
                parts=arm.get("parts", {}),
                same=tuple(arm.get("same", ())),
                hearing_key=arm.get("hearing"),
                retest_key=arm.get("retest"),
            )
        )
    return tuple(found)


def matched(left: Arm, right: Arm) -> bool:
    """Whether two arms have one language model: what a self-cascade shares with its speech LLM."""
    return left.llm_key == right.llm_key


def pairs_of(comparisons: Any, arms: tuple[Arm, ...]) -> list[tuple[Arm, Arm]]:
    """The comparisons of a study: as written, or every two arms on one language model but two speech LLMs.

    Speech LLMs stand left of cascades, cascades left of gold, and what a study is about comes first: speech LLMs
    against cascades, then cascades among themselves, then all against gold. An arm that is run as another stands for
    that one.
    """
    by_name = {name: arm for arm in arms for name in (arm.name, *arm.same)}
    if comparisons != "matched":
        pairs = dict.fromkeys((by_name[left].name, by_name[right].name) for left, right in comparisons["pairs"])
        return [(by_name[left], by_name[right]) for left, right in pairs if left != right]
    rank = {"speech": 0, "cascade": 1, "gold": 2}
    found = []
    for a, b in combinations(arms, 2):
        if matched(a, b) and not a.kind == b.kind == "speech":
            found.append((b, a) if rank[b.kind] < rank[a.kind] else (a, b))
    return sorted(found, key=lambda pair: (rank[pair[1].kind], rank[pair[0].kind]))
