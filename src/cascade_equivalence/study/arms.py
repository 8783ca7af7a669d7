"""The arms of a run, as its journal describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

from cascade_equivalence.study.mechanism.facts import Analyses
from cascade_equivalence.study.records import ArmKind, HearingTrials, Identity, Pairs, Repeats


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm as it was run.

    asr, llm: identities, llm None where it cannot be known; asr_key, llm_key: their names in the study. speech: a
    speech LLM as a whole; parts: identities of its parts by role. same: names of further arms that are identical by
    fingerprint. latency: seconds of single items by stage. hearing, repeats, analyses: what its journal has of the
    hearing check, of its answers repeated, and of what is inside. planted: what it is made to be, if it is.
    bytes: of its weights as loaded, where that was recorded.
    """

    name: str
    kind: ArmKind
    asr: Identity | None
    llm: Identity | None
    asr_key: str | None
    llm_key: str | None
    latency: tuple[Mapping[str, float], ...] = ()
    speech: Identity | None = None
    parts: Mapping[str, Identity] = field(default_factory=dict)
    same: tuple[str, ...] = ()
    hearing: HearingTrials | None = None
    repeats: Repeats | None = None
    analyses: Analyses = field(default_factory=Analyses)
    planted: str | None = None
    bytes: int | None = None

    @property
    def hears(self) -> bool:
        """Whether it is given audio."""
        return self.kind != "gold"

    @property
    def opaque(self) -> bool:
        """Whether its language model cannot be known: an endpoint, or a file of answers."""
        return self.llm is None or self.llm.weights is None

    @property
    def looked_up(self) -> bool:
        """Whether its answers or transcripts lie in a file: nothing can be asked of it but its trials."""
        return any(one is not None and one.device == "elsewhere" for one in (self.asr, self.llm, self.speech))

    @property
    def elsewhere(self) -> bool:
        """Whether part of it answers behind an endpoint or from a file: its seconds are not those of its models."""
        made_of = (self.asr, self.llm, self.speech)
        return any(one is not None and one.device in ("remote", "elsewhere") for one in made_of)

    @property
    def encoder(self) -> str | None:
        """Fingerprint of the weights it hears through."""
        heard = self.parts.get("encoder") or self.asr
        return None if heard is None else heard.weights


def matched(left: Arm, right: Arm) -> bool:
    """Whether two arms have one language model: what a self-cascade shares with its speech LLM."""
    return left.llm_key is not None and left.llm_key == right.llm_key


def pairs_of(comparisons: Literal["matched"] | Pairs, arms: tuple[Arm, ...]) -> list[tuple[Arm, Arm]]:
    """The comparisons of a study: as written, or every two arms on one language model but two speech LLMs; a speech LLM
    whose language model is not known is held against every cascade.

    Speech LLMs stand left of cascades, cascades left of gold, and what a study is about comes first: speech LLMs
    against cascades, then cascades among themselves, then all against gold. An arm that is run as another stands for
    that one.
    """
    by_name = {name: arm for arm in arms for name in (arm.name, *arm.same)}
    if isinstance(comparisons, Pairs):
        pairs = dict.fromkeys((by_name[left].name, by_name[right].name) for left, right in comparisons.pairs)
        return [(by_name[left], by_name[right]) for left, right in pairs if left != right]
    rank = {"speech": 0, "cascade": 1, "gold": 2}
    found = []
    for a, b in combinations(arms, 2):
        unknown = {a.kind, b.kind} == {"speech", "cascade"} and None in (a.llm_key, b.llm_key)
        if (matched(a, b) and not a.kind == b.kind == "speech") or unknown:
            found.append((b, a) if rank[b.kind] < rank[a.kind] else (a, b))
    return sorted(found, key=lambda pair: (rank[pair[1].kind], rank[pair[0].kind]))
